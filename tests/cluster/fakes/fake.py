"""A stand-in for a vendor's command line: what every one of them does.

Each accepts only the commands and options of the vendor's own reference, which flags.json lists with its page: another
one is exit code 2 and a line in `undocumented`.  What a command does is kept in state.json, so that clusters are there
after `create` and gone after `delete`, as with the real one; the command lines go to log.jsonl.

Failures are played from fail.json, a list of {"command": "kops update cluster", "stderr": .., "stdout": .., "code": 1,
"hang": seconds, "leave": {..}, "times": n}: `leave` is merged into the cluster's state first (half made, say), and the
command then fails without having done anything else.
"""

import json
import os
import re
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
FLAGS = json.loads((HERE / "flags.json").read_text())


class Undocumented(Exception):
    pass


class Fail(Exception):
    """What the vendor's tool says, and its exit code."""

    def __init__(self, text, code=1):
        super().__init__(text)
        self.text, self.code = text, code


class Call:
    def __init__(self, tool, folder, words):
        self.tool, self.folder, self.words = tool, Path(folder), words
        self.command, self.flags, self.args, self.after = self.parse(words)
        path = self.folder / "state.json"
        self.state = json.loads(path.read_text()) if path.exists() else {}
        self.mine = self.state.setdefault(tool, {})

    def parse(self, words):
        """Command, options, arguments, and what follows a bare --."""
        after = words[words.index("--") + 1 :] if "--" in words else []
        words = words[: words.index("--")] if "--" in words else list(words)
        plain = [w for w in words if not w.startswith("-")]
        command = next((" ".join(plain[:n]) for n in (3, 2, 1) if " ".join(plain[:n]) in FLAGS[self.tool]), None)
        # options may come before the command (kubectl): then their values are among the plain words
        if command is None:
            command = next((c for c in FLAGS[self.tool] if c in words), None)
        if command is None:
            raise Undocumented(f"no such command: {words}")
        spec = FLAGS[self.tool][command]
        values, switches = spec["values"].split(), spec["switches"].split()
        flags, args, todo = {}, [], list(words)
        while todo:
            word = todo.pop(0)
            name, eq, value = word.partition("=")
            if not word.startswith("-"):
                args.append(word)
            elif name in values:
                if not eq and not todo:
                    raise Undocumented(f"{name} wants a value ({spec['page']})")
                flags.setdefault(name, []).append(value if eq else todo.pop(0))
            elif name in switches and (not eq or value in ("true", "false")):
                flags.setdefault(name, []).append(value or "true")
            else:
                raise Undocumented(f"{self.tool} {command}: {word} is not on {spec['page']}")
        return command, flags, args[len(command.split()) :], after

    def flag(self, name, fallback=None):
        return self.flags[name][-1] if name in self.flags else fallback

    def on(self, name):
        return self.flag(name, "false") == "true"

    def save(self):
        (self.folder / "state.json").write_text(json.dumps(self.state, indent=1))


def write_kubeconfig(path, context, server):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(kubeconfig(context, server))


def kubeconfig(context, server):
    return (
        f"apiVersion: v1\nkind: Config\ncurrent-context: {context}\n"
        f"clusters:\n- name: {context}\n  cluster: {{server: 'https://{server}'}}\n"
        f"users:\n- name: {context}\n  user: {{token: not-a-real-one}}\n"
        f"contexts:\n- name: {context}\n  context: {{cluster: {context}, user: {context}}}\n"
    )


def default_kubeconfig():
    """Where the vendors' tools write: $KUBECONFIG, else the person's own file, which no test may find changed."""
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def play_failure(call):
    path = call.folder / "fail.json"
    failures = json.loads(path.read_text()) if path.exists() else []
    full = f"{call.tool} {call.command}"
    for f in failures:
        if f["command"] != full or f.get("times", 1) <= 0:
            continue
        if f.get("when") and not re.search(f["when"], " ".join(call.words)):
            continue
        f["times"] = f.get("times", 1) - 1
        path.write_text(json.dumps(failures))
        for name, cluster in f.get("leave", {}).items():
            call.mine.setdefault(name, {}).update(cluster)
        call.save()
        if f.get("hang"):
            print("still working ...", flush=True)
            time.sleep(f["hang"])
        sys.stdout.write(f.get("stdout", ""))
        raise Fail(f.get("stderr", ""), f.get("code", 1))


def main(tool, folder, module):
    folder = Path(folder)
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps({"tool": tool, "argv": sys.argv[1:], "kubeconfig": os.environ.get("KUBECONFIG")}) + "\n")
    try:
        call = Call(tool, folder, sys.argv[1:])
        play_failure(call)
        handler = getattr(module, re.sub(r"\W", "_", call.command))
        out = handler(call)
        call.save()
        if out:
            sys.stdout.write(out if isinstance(out, str) else json.dumps(out))
    except Undocumented as e:
        with (folder / "undocumented").open("a") as f:
            f.write(f"{e}\n")
        print(f"error: {e}", file=sys.stderr)
        return 2
    except Fail as e:
        call.save()
        print(e.text, file=sys.stderr)
        return e.code
    return 0
