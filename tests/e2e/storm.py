"""The story of the sensors while every component of it is restarted, one after the other."""

import json
import subprocess
import time

ROUNDS = 4


def storm(mill, names, pause=4):
    """Restarts each component once while the story is told, and tells it again until all had their turn. What each telling said."""
    left, stories = list(names), []
    while left and len(stories) < ROUNDS:
        child = mill.popen("demo", "sensors", "--json", stderr=subprocess.PIPE)
        while left and child.poll() is None:
            time.sleep(pause)
            if child.poll() is None:
                mill.run("restart", left.pop(0), check=False, timeout=600)
        out, err = child.communicate(timeout=3000)
        told = json.loads(out.splitlines()[-1]) if out.strip() else {}
        stories.append({"code": child.returncode, "told": told, "err": err[-4000:], "left": list(left)})
        if child.returncode:
            break
    return stories
