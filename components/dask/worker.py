"""Starts the workers: the memory of the service is divided among them."""

import os

from distributed.cli.dask_worker import main

if __name__ == "__main__":  # workers are spawned, and read this again
    e = os.environ
    workers = int(e["WORKERS"])
    nannies = 64 << 20  # the process that watches them
    main(
        [
            e["SCHEDULER"],
            "--protocol=tls",
            "--host=" + e["HOST"],
            f"--nworkers={workers}",
            "--nthreads=" + e["THREADS"],
            f"--memory-limit={(int(e['MEMORY']) - nannies) // workers}",
            "--local-directory=" + e["SCRATCH"],
            "--name=worker",
            "--no-dashboard",
            f"--dashboard-address={e['HOST']}:0",
            "--preload=" + e["GUARD"],
        ]
    )
