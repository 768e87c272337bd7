"""Proves that a data frame of the lake is read by the workers, that Parquet goes back, and that strangers are refused."""

import base64
import os
import urllib.error
import urllib.request
import uuid

import mill_hook

ask = mill_hook.ask()
dask, s3 = ask["provides"]["dask"], ask["requires"]["s3"]
os.environ.update(
    AWS_ENDPOINT_URL_S3=s3["endpoint"],
    AWS_ACCESS_KEY_ID=s3["access_key"],
    AWS_SECRET_ACCESS_KEY=s3["secret_key"],
    AWS_DEFAULT_REGION=s3["region"],
    DASK_SCHEDULER_ADDRESS=dask["scheduler"],
    DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION="True",
    DASK_DISTRIBUTED__COMM__TLS__CA_FILE=dask["tls"],
    DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT=dask["tls"],
    DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY=dask["tls"],
)

import dask.dataframe as dd  # noqa: E402
import s3fs  # noqa: E402
from distributed import Client  # noqa: E402
from distributed.security import Security  # noqa: E402

dask = ask["provides"]["dask"]
ROWS = 30_000
check = mill_hook.Checks()


def status(url, login="", cookie=""):
    request = urllib.request.Request(url, headers={"Cookie": cookie} if cookie else {})
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refused:
        return refused.code, b""


lake = s3fs.S3FileSystem()
bucket = "smoke-" + uuid.uuid4().hex[:12]
lake.mkdir(bucket)
try:
    for part in range(3):
        rows = "".join(f"{i},{i % 7}\n" for i in range(part, ROWS, 3))
        lake.pipe(f"{bucket}/in/{part}.csv", ("n,group\n" + rows).encode())
    with Client(timeout=30) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        want = ask["settings"]["workers"]
        check("workers", len(workers) == want, f"{len(workers)} of {want}")
        frame = dd.read_csv(f"s3://{bucket}/in/*.csv")
        count = len(frame)
        check("count", count == ROWS, f"{count} rows of CSV")
        frame.to_parquet(f"s3://{bucket}/out")
        sums = dd.read_parquet(f"s3://{bucket}/out").groupby("group").n.sum().compute().to_dict()
        check("Parquet", sums == {g: sum(range(g, ROWS, 7)) for g in range(7)}, f"{len(sums)} sums as they must be")
finally:
    lake.rm(bucket, recursive=True)

strangers = {
    "without a certificate": Security(tls_ca_file=dask["tls"], tls_client_cert=None, tls_client_key=None, require_encryption=True),
    "with a certificate of its own": Security.temporary(),
}
for who, security in strangers.items():
    if "own" in who:  # it trusts the server, so that it is the server that refuses
        security.tls_ca_file = dask["tls"]
    try:
        Client(dask["scheduler"], security=security, timeout=3).close()
        check(f"a client {who} is refused", False)
    except (OSError, TypeError, ValueError) as refused:
        check(f"a client {who} is refused", True, type(refused).__name__)
try:
    Client(dask["scheduler"].replace("tls://", "tcp://"), security=Security(require_encryption=False), timeout=3).close()
    check("a client in clear is refused", False)
except OSError as refused:
    check("a client in clear is refused", True, type(refused).__name__)

login = f"{dask['user']}:{dask['password']}"
code, page = status(dask["dashboard"] + "/status", login)
check("dashboard", code == 200 and b"<html" in page)
request = urllib.request.Request(dask["dashboard"] + "/status", headers={"Authorization": "Basic " + base64.b64encode(login.encode()).decode()})
with urllib.request.urlopen(request, timeout=20) as answer:
    cookie = answer.headers.get("Set-Cookie", "").split(";")[0]
codes = [status(dask["dashboard"] + "/status", cookie=c)[0] for c in (cookie, "dask-login=0000")]
check("a page's cookie opens its socket", codes == [200, 401], codes)
code, text = status(dask["dashboard"] + "/metrics", login)
check("metrics", code == 200 and b"dask_scheduler_workers" in text)
for path in ("/status", "/metrics", "/api/v1", "/info/main/workers.html", "/nothing"):
    codes = {status(dask["dashboard"] + path, who)[0] for who in ("", f"{dask['user']}:wrong", "dask:dask")}
    check(f"{path} asks for a password", codes == {401}, ", ".join(map(str, sorted(codes))))

if ask["settings"]["gateway"]:
    from dask_gateway import BasicAuth, Gateway

    port = ask["services"]["gateway"]["ports"]["http"]
    url = f"http://{ask['services']['gateway']['host']}:{port}"
    try:
        with Gateway(url, auth=BasicAuth(dask["user"], "wrong")) as gateway:
            gateway.list_clusters()
        check("the gateway refuses a wrong password", False)
    except Exception as refused:
        check("the gateway refuses a wrong password", "nauthori" in f"{type(refused)} {refused}" or "401" in str(refused), str(refused))
    with Gateway(url, auth=BasicAuth(dask["user"], dask["password"])) as gateway, gateway.new_cluster() as cluster:
        cluster.scale(1)
        with cluster.get_client() as client:
            client.wait_for_workers(1, timeout=60)
            check("a cluster of the gateway", client.submit(sum, [40, 2]).result(timeout=30) == 42)

check.end()
