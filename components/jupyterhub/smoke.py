"""Logs in, spawns a server in the base environment, runs a cell in it that reads the lake, stops it."""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from http.cookiejar import CookieJar

from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

import mill_hook

ask = mill_hook.ask()
url, ops = ask["provides"]["jupyterhub"]["url"], ask["secrets"]["ops"]
user = "smoke"
pickable = [e["name"] for e in ask["collected"]["environments"] if e["available"]]
environment = "base" if "base" in pickable else pickable[0]
check = mill_hook.Checks()
CELL = """
import os
if "AWS_ENDPOINT_URL_S3" in os.environ:
    import s3fs
    lake = s3fs.S3FileSystem()
    lake.ls("")
    print("lake reached", end=" ")
print("answer", 6 * 7, os.environ["MILL_ENVIRONMENT"])
"""


def call(method, path, body=None, timeout=30):
    request = urllib.request.Request(url + path, method=method, headers={"Authorization": f"token {ops}"})
    data = json.dumps(body).encode() if body is not None else None
    try:
        with urllib.request.urlopen(request, data, timeout) as answer:
            text = answer.read()
            return answer.status, json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        return error.code, None


def login(name, password):
    """Through the form, as a browser does; where one lands."""
    jar = CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))
    browser.open(url + "/hub/login", timeout=20).read()
    token = next(c.value for c in jar if c.name == "_xsrf")
    form = urllib.parse.urlencode({"username": name, "password": password, "_xsrf": token}).encode()
    try:
        return browser.open(url + "/hub/login?next=%2Fhub%2Fhome", form, timeout=20).geturl()
    except urllib.error.HTTPError as error:
        return str(error.code)


async def run_cell(kernel):
    """One execute request over the kernel's channel; its printed text."""
    socket = await websocket_connect(
        HTTPRequest(
            f"ws{url[4:]}/user/{user}/api/kernels/{kernel}/channels", headers={"Authorization": f"token {ops}"}, connect_timeout=30
        )
    )
    header = {"msg_id": uuid.uuid4().hex, "username": user, "session": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    content = {"code": CELL, "silent": False, "store_history": False, "user_expressions": {}, "allow_stdin": False}
    request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell", "buffers": []}
    await socket.write_message(json.dumps(request))
    said = ""
    while True:
        message = await asyncio.wait_for(socket.read_message(), 60)
        if message is None:
            return said + " (the channel was closed)"
        if isinstance(message, bytes):
            continue
        message = json.loads(message)
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            said += message["content"]["text"]
        elif message["msg_type"] == "error":
            said += f"{message['content']['ename']}: {message['content']['evalue']}"
        elif message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            socket.close()
            return said


check("a wrong password is refused", "/hub/home" not in login(user, "wrong"))
check("an administrator with people's password is refused", "/hub/home" not in login(ask["settings"]["admin"], ask["secrets"]["password"]))
check("login", login(user, ask["secrets"]["password"]).endswith("/hub/home"))
try:
    began = time.monotonic()
    call("DELETE", f"/hub/api/users/{user}/server")
    status, _ = call("POST", f"/hub/api/users/{user}/server", {"environment": environment}, 90)
    ready = False
    while status in (201, 202) and not ready and time.monotonic() < began + 120:
        ready = call("GET", f"/hub/api/users/{user}")[1]["servers"].get("", {}).get("ready")
        time.sleep(0 if ready else 0.2)
    check("a server is spawned", ready, f"{status}, {time.monotonic() - began:.1f} s")
    status, kernel = call("POST", f"/user/{user}/api/kernels", {"name": "python3"})
    check("a kernel starts", status == 201, str(status))
    if status == 201:
        said = asyncio.run(run_cell(kernel["id"]))
        wanted = "lake reached" in said or not ask["collected"]["environment"].get("AWS_ENDPOINT_URL_S3")
        check("a cell runs and reaches the lake", wanted and f"answer 42 {environment}" in said, said.strip()[-200:])
finally:
    call("DELETE", f"/hub/api/users/{user}/server")
    while call("GET", f"/hub/api/users/{user}")[1]["servers"]:
        time.sleep(0.2)
    call("DELETE", f"/hub/api/users/{user}")

check.end()
