"""Keeps log indices (logs-YYYY.MM.DD) within their days and bytes: the oldest go first, today's never."""

import datetime
import os
import time

import mill_search

url, user, password = os.environ["KEEPER_URL"], os.environ["KEEPER_USER"], os.environ["KEEPER_PASSWORD"]
days, limit = int(os.environ["KEEPER_DAYS"]), int(os.environ["KEEPER_BYTES"])


def surplus(indices, today):
    """Which of [(name, bytes)] are too old or too much."""
    indices, total = sorted(indices), sum(size for _, size in indices)
    oldest = (today - datetime.timedelta(days=days)).strftime("logs-%Y.%m.%d")
    for name, size in indices:
        if name >= today.strftime("logs-%Y.%m.%d"):
            break
        if name < oldest or total > limit:
            total -= size
            yield name, "too old" if name < oldest else "the disk's share is full"


def main():
    while True:
        try:
            code, answer = mill_search.call(url, user, password, "GET", "/_cat/indices/logs-*?format=json&bytes=b&h=index,store.size")
            if code == 200:
                indices = [(i["index"], int(i["store.size"] or 0)) for i in answer]
                for name, why in surplus(indices, datetime.datetime.now(datetime.timezone.utc).date()):
                    print(f"deletes {name}: {why}", flush=True)
                    mill_search.call(url, user, password, "DELETE", "/" + name)
            elif code not in (401, 503):
                print(f"{code}: {answer}", flush=True)
        except OSError:  # the server restarts
            code = 0
        time.sleep(60 if code == 200 else 5)


if __name__ == "__main__":
    main()
