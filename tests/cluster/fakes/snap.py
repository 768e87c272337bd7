"""snap: https://snapcraft.io/docs; what is installed shows up on PATH"""

import fake
import launcher


def install(call):
    name = call.args[0]
    if name == "microk8s" and not call.on("--classic"):  # the snap's confinement
        raise fake.Fail('error: This revision of snap "microk8s" was published using classic confinement')
    launcher.write({"google-cloud-cli": "gcloud"}.get(name, name), call.folder)
    call.mine[name] = call.flag("--channel", "latest/stable")
    return f"{name} installed\n"


def remove(call):
    name = call.args[0]
    if name not in call.mine:
        raise fake.Fail(f'snap "{name}" is not installed')
    (call.folder / "bin" / name).unlink()
    del call.mine[name]
    call.state.pop(name, None)
    return f"{name} removed\n"
