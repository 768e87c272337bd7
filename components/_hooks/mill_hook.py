"""What smoke tests share: the question, the checks, and how they end (docs/internals/hooks.md)."""

import json
import os
import sys

DETAIL_MAX = 300


def ask():
    """The hook's question: one JSON object on standard input."""
    return json.load(sys.stdin)


class Checks(list):
    """`check(name, ok, detail)` notes one; `check.end()` answers and exits: 0 when all of them hold and there is one, else 1.

    What a library prints goes to standard error, where the log is: standard output is for the answer alone."""

    def __init__(self):
        self.answer = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)

    def __call__(self, name, ok, detail=""):
        self.append({"name": name, "ok": bool(ok), "detail": str(detail)[:DETAIL_MAX]})

    def end(self, message=None):
        failed = [c["name"] for c in self if not c["ok"]]
        if failed or not self:
            message = "failed: " + (", ".join(failed) or "nothing was checked")
        json.dump({"message": message or f"{len(self)} check" + "s" * (len(self) > 1), "checks": self}, self.answer)
        self.answer.close()
        sys.exit(1 if failed or not self else 0)
