"""Superset's settings; what varies comes from the environment, secrets too."""

import os
import time

SECRET_KEY = os.environ["MILL_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = os.environ["MILL_DATABASE"]
ROW_LIMIT = SAMPLES_ROW_LIMIT = int(os.environ.get("MILL_ROW_LIMIT", "50000"))
APP_NAME = "Superset"
WTF_CSRF_ENABLED = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
TALISMAN_ENABLED = True
PUBLIC_ROLE_LIKE = None
RATELIMIT_STORAGE_URI = "memory://"
CONTENT_SECURITY_POLICY_WARNING = False
ENABLE_CORS = False
FEATURE_FLAGS = {"ALERT_REPORTS": False}
# no telemetry pixel, no look for a newer version
SCARF_ANALYTICS = False

_redis = os.environ.get("MILL_REDIS")
CACHE_CONFIG = DATA_CACHE_CONFIG = FILTER_STATE_CACHE_CONFIG = EXPLORE_FORM_DATA_CACHE_CONFIG = (
    {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": _redis, "CACHE_KEY_PREFIX": "superset:", "CACHE_DEFAULT_TIMEOUT": 600}
    if _redis
    else {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 600}
)


def FLASK_APP_MUTATOR(app):  # noqa: N802
    """Counts requests and answers /metrics."""
    from flask import Response, g, request
    from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Counter, Histogram, generate_latest

    if "superset_requests" in REGISTRY._names_to_collectors:
        return
    requests = Counter("superset_requests", "Requests", ["method", "status"])
    seconds = Histogram("superset_request_seconds", "Time to an answer", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30))

    @app.before_request
    def begin():
        g.mill_began = time.monotonic()

    @app.after_request
    def end(response):
        if request.path != "/metrics":
            requests.labels(request.method, response.status_code).inc()
            seconds.observe(time.monotonic() - g.get("mill_began", time.monotonic()))
        return response

    app.add_url_rule("/metrics", "mill_metrics", lambda: Response(generate_latest(), mimetype=CONTENT_TYPE_LATEST))
