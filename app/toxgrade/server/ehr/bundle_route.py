"""Routes that take a Bundle: the limits of its size."""

from toxgrade.server.http.json_route import JsonRequest, JsonRoute

_VALUES_EACH = 150


class BundleRequest(JsonRequest):
    """A request whose body has at most ``TOXGRADE_MAX_BUNDLE_BYTES``."""

    media_type = "application/fhir+json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_bundle_bytes)

    @property
    def most_values(self) -> int:
        """How many values a Bundle may have: an Observation with all its metadata has some 80."""
        return int(self.app.state.service.settings.max_bundle_entries) * _VALUES_EACH


class BundleRoute(JsonRoute):
    """A route whose body is read by ``BundleRequest``."""

    @property
    def reads_json(self) -> bool:
        return "POST" in (self.methods or ())

    @property
    def request_class(self) -> type[JsonRequest]:
        return BundleRequest
