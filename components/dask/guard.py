"""A password for everything that a scheduler or a worker serves by HTTP: pages, sockets, metrics, the API. /health stays open.

Loaded by --preload, before the server's first request.  Who logged in gets a cookie, too: not every browser sends the
password along when a page opens its socket, and without that the plots stand still.
"""

import base64
import hmac
import os

from distributed.http.routing import RoutingApplication
from tornado.web import RequestHandler

LOGIN = f"{os.environ['GUARD_USER']}:{os.environ['GUARD_PASSWORD']}".encode()
OPEN = "/health"
COOKIE, PASS = "dask-login", hmac.new(LOGIN, b"cookie of the pages", "sha256").hexdigest()


class Refuse(RequestHandler):
    def prepare(self):
        self.set_status(401)
        self.set_header("WWW-Authenticate", 'Basic realm="dask"')
        self.finish("log in\n")


def knows_password(request):
    scheme, _, code = request.headers.get("Authorization", "").partition(" ")
    try:
        login = base64.b64decode(code, validate=True)
    except ValueError:
        return False
    return scheme.lower() == "basic" and hmac.compare_digest(login, LOGIN)


def allowed(request):
    cookie = request.cookies.get(COOKIE)
    return knows_password(request) or cookie is not None and hmac.compare_digest(cookie.value.encode(), PASS.encode())


def remember(clear):
    def cleared(self):
        clear(self)
        if knows_password(self.request):
            self.add_header("Set-Cookie", f"{COOKIE}={PASS}; Path=/; HttpOnly; SameSite=Strict")

    return cleared


def guard(find_handler):
    def guarded(self, request, **kwargs):
        if request.path == OPEN or allowed(request):
            return find_handler(self, request, **kwargs)
        return self.get_handler_delegate(request, Refuse)

    guarded.is_guard = True
    return guarded


if not hasattr(RoutingApplication.find_handler, "is_guard"):  # a preload is loaded twice
    RoutingApplication.find_handler = guard(RoutingApplication.find_handler)
    RequestHandler.clear = remember(RequestHandler.clear)  # where a handler's answer begins
