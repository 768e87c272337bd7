"""A Jupyter kernel for Scala: Spark's own shell behind it, so that `spark` and `sc` are there.

A cell is handed to the shell as a file (`:paste FILE`), so that it may have many lines; what the shell prints until a
mark that we have it print afterwards is the cell's output.
"""

import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import uuid

import pyspark
from ipykernel.kernelapp import IPKernelApp
from ipykernel.kernelbase import Kernel

FAILED = re.compile(r"^(\S+:\d+: error: |error: |[\w.$]+(Exception|Error)\b)", re.MULTILINE)
NOISE = re.compile(r"^(Pasting file .*\.\.\.|scala> ?|     \| ?)$")
START_SECONDS = 180


class Shell:
    """Spark's Scala shell in a JVM of its own."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="scala-")
        home = os.path.dirname(pyspark.__file__)
        java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else shutil.which("java")
        command = [
            os.path.join(home, "bin", "spark-submit"),
            "--class=org.apache.spark.repl.Main",
            "--name=Scala notebook",
            "--conf=spark.ui.enabled=false",
            "--conf=spark.driver.bindAddress=127.0.0.1",
            "--conf=spark.driver.host=127.0.0.1",
            "spark-shell",
        ]
        environment = os.environ | {"SPARK_HOME": home, "JAVA_HOME": os.path.dirname(os.path.dirname(os.path.realpath(java)))}
        # the shell is a program of its own: a Connect address is for Python
        environment.pop("SPARK_REMOTE", None)
        environment["SPARK_SUBMIT_OPTS"] = "-Dscala.usejavacp=true -Dscala.color=false -Djline.terminal=none"
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=os.getcwd(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self.lines = queue.Queue()
        threading.Thread(target=self.read, daemon=True).start()
        self.run("", lambda line: None, START_SECONDS)

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def run(self, code, on_line, seconds=None):
        """Runs a cell; its whole output.  Raises EOFError when the JVM is gone."""
        mark, said = f"mill-{uuid.uuid4().hex}", []
        if code.strip():
            path = os.path.join(self.folder, f"cell-{mark}.scala")
            with open(path, "w") as file:
                file.write(code)
            self.process.stdin.write(f":paste {path}\n")
        # written in two parts, so that an echo of the line is not taken for it
        self.process.stdin.write(f'println("mill-" + "{mark[5:]}")\n')
        self.process.stdin.flush()
        while True:
            line = self.lines.get(timeout=seconds)
            if line is None:
                raise EOFError("Spark's shell ended:\n" + "".join(said[-20:]))
            line = re.sub(r"^(scala> )+", "", line)
            if line.rstrip() == mark:
                return "".join(said)
            if not NOISE.match(line.rstrip("\n")):
                said.append(line)
                on_line(line)

    def interrupt(self):
        os.killpg(self.process.pid, signal.SIGINT)

    def close(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)


class ScalaKernel(Kernel):
    implementation, implementation_version = "mill-scala", "1"
    language, language_version = "scala", "2.12"
    language_info = {"name": "scala", "mimetype": "text/x-scala", "file_extension": ".scala", "codemirror_mode": "text/x-scala"}
    banner = "Scala with Spark"
    shell = None

    def do_execute(self, code, silent, store_history=True, user_expressions=None, allow_stdin=False, **_):
        def show(line):
            if not silent:
                self.send_response(self.iopub_socket, "stream", {"name": "stdout", "text": line})

        try:
            self.shell = self.shell or Shell()
            said = self.shell.run(code, show)
        except (EOFError, OSError, queue.Empty) as error:
            self.shell, said = None, f"error: {error or 'Spark did not start in time'}"
        if not FAILED.search(said):
            return {"status": "ok", "execution_count": self.execution_count, "payload": [], "user_expressions": {}}
        lines = said.strip().splitlines()
        problem = {"ename": "ScalaError", "evalue": next(line for line in lines if FAILED.match(line)), "traceback": lines}
        if not silent:
            self.send_response(self.iopub_socket, "error", problem)
        return {"status": "error", "execution_count": self.execution_count} | problem

    def do_interrupt(self):
        if self.shell:
            self.shell.interrupt()
        return {"status": "ok"}

    def do_shutdown(self, restart):
        if self.shell:
            self.shell.close()
        return {"status": "ok", "restart": restart}


if __name__ == "__main__":
    IPKernelApp.launch_instance(kernel_class=ScalaKernel)
