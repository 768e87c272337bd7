import os
import sys

c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"  # clusters run as this service's user
c.DaskGateway.address = "${bind}:${port.api}"
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = os.environ["GUARD_PASSWORD"]
c.Proxy.address = "${bind}:${port.http}"
c.UnsafeLocalBackend.clusters_directory = "${dir.data}/clusters"
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--preload", "${component}/guard.py"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker", "--preload", "${component}/guard.py"]
c.ClusterConfig.cluster_max_workers = ${setting.gateway_workers}
c.ClusterConfig.worker_memory = ${setting.gateway_worker_memory}
c.ClusterConfig.idle_timeout = 3600
c.ClusterConfig.environment = {k: v for k, v in os.environ.items() if k.startswith(("AWS_", "GUARD_"))}
