"""What the hooks share: the management API as the administrator, users and what they may use."""

from urllib.parse import quote

import requests


class Broker:
    def __init__(self, ask, user="admin", password=None):
        server = ask["services"]["server"]
        self.url = f"http://{server['host']}:{server['ports']['management']}/api/"
        self.session = requests.Session()
        self.session.auth = (user, password or ask["secrets"]["admin"])

    def call(self, method, *path, **body):
        url = self.url + "/".join(quote(p, safe="") for p in path)
        answer = self.session.request(method, url, json=body or None, timeout=30)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def put(self, *path, **body):
        answer = self.session.put(self.url + "/".join(quote(p, safe="") for p in path), json=body, timeout=30)
        answer.raise_for_status()

    def user(self, name, password, tags=""):
        self.put("users", name, password=password, tags=tags)  # kept as a salted SHA-256

    def allow(self, user, vhost="/", configure="", write="", read=""):
        self.put("permissions", vhost, user, configure=configure, write=write, read=read)

    def allow_topics(self, user, write, read, vhost="/", exchange="amq.topic"):
        self.put("topic-permissions", vhost, user, exchange=exchange, write=write, read=read)
