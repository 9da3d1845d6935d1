"""Health, the OpenAPI description, and requests that lead nowhere."""

from benchmarks.recording.asked import Asked, get, raw

REQUESTS = (
    get("alive", "/livez"),
    get("ready", "/readyz"),
    get("openapi", "/openapi.json"),
    get("docs", "/docs"),
    get("unknown parameter of a probe", "/livez?x=1"),
    get("no route", "/v1/nothing"),
    get("no route of FHIR", "/fhir/nothing"),
    get("a slash too much", "/v1/studies/"),
    get("method not allowed", "/v1/grade"),
    Asked("delete not allowed", "DELETE", "/v1/studies/demo"),
    Asked("patch not allowed", "PATCH", "/v1/studies/demo", {}),
    Asked("options", "OPTIONS", "/v1/studies"),
    Asked("options of a browser", "OPTIONS", "/cds-services", headers={
        "Origin": "https://ehr.example", "Access-Control-Request-Method": "POST"}),
    Asked("head", "HEAD", "/v1/studies"),
    Asked("own request id", "GET", "/livez", headers={
        "X-Request-ID": "00000000-0000-4000-8000-000000000007"}),
    Asked("another's request id", "GET", "/livez", headers={"X-Request-ID": "jane-doe"}),
    Asked("another host", "GET", "/livez", headers={"Host": "evil.example"}),
    Asked("compressed", "GET", "/v1/analytes", headers={"Accept-Encoding": "gzip"}),
    Asked("body too large", "POST", "/v1/grade", announced=8 * 1024 * 1024 + 1,
          headers={"Content-Type": "application/json"}),
    raw("compressed body", "/v1/grade", "{}", "application/json", Content_Encoding="gzip"),
    Asked("key where none is needed", "GET", "/v1/studies", headers={
        "Authorization": "Bearer nonsense"}),
)  # fmt: skip
