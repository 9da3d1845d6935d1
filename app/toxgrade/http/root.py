"""Where the service lies on its host: at the root, or under a path that the proxy takes off."""

from starlette.types import Scope


def own_path(scope: Scope) -> str:
    """The path of a request without ``TOXGRADE_ROOT_PATH``, as this service's routes have it."""
    path: str = scope["path"]
    return path.removeprefix(scope.get("root_path", ""))
