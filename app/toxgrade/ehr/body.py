"""Bodies of the EHR doors: as strict as any JSON here, and as long as a Bundle may be."""

from toxgrade.server.http.body import JsonRequest, JsonRoute


class BundleRequest(JsonRequest):
    """A request of at most ``TOXGRADE_MAX_BUNDLE_BYTES``."""

    media_type = "application/fhir+json"

    @property
    def most_bytes(self) -> int:
        return int(self.app.state.service.settings.max_bundle_bytes)


class BundleRoute(JsonRoute):
    """A route whose body is read by ``BundleRequest``."""

    @property
    def request_class(self) -> type[JsonRequest]:
        return BundleRequest
