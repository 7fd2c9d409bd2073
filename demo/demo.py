"""The main job of irisnode, end to end, against a real Orthanc.

A series goes into Orthanc as a modality would send it; Orthanc routes it to
irisnode (plugin-config/orthanc, used as it is); irisnode segments it by the
example of another subject and sends a DICOM-SEG back into Orthanc. Everything
listens on loopback and lives in demo-out/. At a terminal it stays, dashboard
and viewer with it, until Enter is pressed.

usage: demo.py            (make demo)
"""

import json
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import time

from material import choose_material
from processes import Processes, free_port, http, wait_for

ROOT = pathlib.Path(__file__).resolve().parent.parent
OUT = ROOT / "demo-out"
IRISNODE = ROOT / "target/release/irisnode"
OHIF = ROOT / ".deps/ohif"
# Longest wait for the result: two CPU cores need a minute or two.
RESULT_WITHIN = 15 * 60

STARTED = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def run(*command, limit=600, told=""):
    """Runs a command to its end, telling it `told`, and gives what it printed; a failure ends the demo with it."""
    done = subprocess.run(
        list(map(str, command)),
        input=told,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=limit,
    )
    if done.returncode != 0:
        raise SystemExit(f"demo: this failed: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


class Orthanc:
    """A real Orthanc that runs plugin-config/orthanc beside settings for a machine of its own."""

    def __init__(self, processes, folder):
        self.dicom_port, self.http_port = free_port(), free_port()
        configuration = folder / "configuration"
        shutil.copytree(ROOT / "plugin-config/orthanc", configuration)
        own = {
            "Name": "irisnode demo",
            "StorageDirectory": str(folder / "storage"),
            "IndexDirectory": str(folder / "storage"),
            "DicomAet": "ORTHANC",
            "DicomPort": self.dicom_port,
            "HttpPort": self.http_port,
            "AuthenticationEnabled": False,
            "StableAge": 2,
            "Plugins": [],
        }
        (configuration / "orthanc.json").write_text(json.dumps(own, indent=2))
        self.log = folder / "orthanc.log"
        self.process = processes.start(["/usr/sbin/Orthanc", "--verbose", configuration], self.log)
        self.wait("start Orthanc", 60, lambda: http("GET", self.url("/system")))

    def url(self, path):
        return f"http://127.0.0.1:{self.http_port}{path}"

    def get(self, path):
        return json.loads(http("GET", self.url(path)) or b"null")

    def wait(self, what, limit, answer):
        return wait_for(what, limit, answer, self.process, self.log)

    def modality_is_at(self, name, ae_title, port):
        """What an administrator edits in irisnode.json; here the port is known only now."""
        entry = {"AET": ae_title, "Host": "127.0.0.1", "Port": port}
        http("PUT", self.url(f"/modalities/{name}"), json.dumps(entry).encode())

    def instances(self, modality):
        query = {"Level": "Instance", "Query": {"Modality": modality}}
        return json.loads(http("POST", self.url("/tools/find"), json.dumps(query).encode()) or b"[]")

    def transfers(self):
        """The C-STORE jobs Orthanc has made of routed series."""
        jobs = self.get("/jobs?expand") or []
        return [job for job in jobs if job["Type"] == "DicomModalityStore"]


def write_configuration(folder, material, ports, orthanc_port):
    path = folder / "irisnode.toml"
    path.write_text(
        f"""\
[node]
ae_title = "IRISNODE"
listen = "127.0.0.1:{ports["dicom"]}"
data_dir = "{folder / 'irisnode'}"
weights = "{ROOT / 'weights/iris.safetensors'}"
quiet_time = "3s"

[[peer]]
name = "orthanc"
ae_title = "ORTHANC"
host = "127.0.0.1"
port = {orthanc_port}

[[rule]]
name = "{material.modality} series"
tasks = ["{material.task}", "*taught"]
when = {{ Modality = "{material.modality}" }}

[teach]
ae_title = "IRISTEACH"

[web]
listen = "127.0.0.1:{ports["web"]}"

[dicomweb]
listen = "127.0.0.1:{ports["dicomweb"]}"
{f'viewer = "{OHIF}"' if OHIF.is_dir() else ""}
"""
    )
    return path


def describe_segmentation(orthanc, instance):
    tags = orthanc.get(f"/instances/{instance}/simplified-tags")
    names = [segment["SegmentLabel"] for segment in tags["SegmentSequence"]]
    frames = tags["NumberOfFrames"]
    return f"{tags['Modality']} with {frames} frames of {len(names)} segments: {', '.join(names)}"


def stay(dashboard, ports, study):
    """At a terminal: leaves everything there to be looked at, until Enter is pressed."""
    if not sys.stdin.isatty():
        return
    say(f"Look around: the dashboard is {dashboard}")
    if OHIF.is_dir():
        say(f"The result in OHIF, at a double click on the SEG: http://127.0.0.1:{ports['dicomweb']}/viewer?StudyInstanceUIDs={study}")
    input("             Enter ends the demo. ")


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    material = choose_material(ROOT, OUT)
    say(f"Material: {material.description}")

    with Processes() as processes:
        (OUT / "orthanc").mkdir()
        orthanc = Orthanc(processes, OUT / "orthanc")
        version = orthanc.get("/system")["Version"]
        say(f"Orthanc {version} runs (AE ORTHANC, DICOM port {orthanc.dicom_port}, "
            f"REST port {orthanc.http_port}) with plugin-config/orthanc")

        ports = {name: free_port() for name in ("dicom", "web", "dicomweb")}
        configuration = write_configuration(OUT, material, ports, orthanc.dicom_port)
        say(f"The configuration of irisnode, {configuration.relative_to(ROOT)}:")
        print("".join(f"             {line}\n" for line in configuration.read_text().splitlines()))

        say(f"Teaching the task `{material.task}` from one example ...")
        run(IRISNODE, "task", "add", material.task, "--config", configuration, *material.task_arguments)
        say("Task added: " + ", ".join(material.segments))

        password = secrets.token_urlsafe(9)
        run(IRISNODE, "web", "user", "add", "demo", "--role", "admin", "--config", configuration, told=password + "\n")
        log = OUT / "irisnode.log"
        node = processes.start([IRISNODE, "serve", "--config", configuration], log)
        echo = [IRISNODE, "echo", "--to", f"127.0.0.1:{ports['dicom']}", "--called", "IRISNODE",
                "--aet", "ORTHANC"]
        wait_for("start irisnode", 120,
                 lambda: subprocess.run(echo, capture_output=True).returncode == 0, node, log)
        orthanc.modality_is_at("irisnode", "IRISNODE", ports["dicom"])
        say(f"irisnode serves (AE IRISNODE, DICOM port {ports['dicom']}) and answers C-ECHO")
        dashboard = f"http://127.0.0.1:{ports['web']}/"
        say(f"The dashboard: {dashboard} (user demo, password {password}), and what was taught: {dashboard}tasks")

        sent_at = time.monotonic()
        sent = run("dcmsend", "--verbose", "--scan-directories", "--recurse", "--aetitle", "SCANNER",
                   "--call", "ORTHANC", "127.0.0.1", orthanc.dicom_port, material.series)
        stored = re.search(r"status SUCCESS\s*:\s*(\d+)", sent)
        if not stored:
            raise SystemExit(f"demo: Orthanc stored nothing of the series\n{sent}")
        say(f"DCMTK's dcmsend has sent {stored[1]} instances to Orthanc")

        transfer = orthanc.wait(
            "auto-routing by Orthanc", 120,
            lambda: next((job for job in orthanc.transfers() if job["State"] != "Running"), None))
        if transfer["State"] != "Success":
            raise SystemExit(f"demo: Orthanc could not send to irisnode: {transfer['ErrorDescription']}")
        say(f"Orthanc has routed the stable series to {transfer['Content']['RemoteAet']}: "
            f"{transfer['Content']['InstancesCount']} instances; irisnode segments ...")

        found = wait_for("the DICOM-SEG in Orthanc", RESULT_WITHIN,
                         lambda: orthanc.instances("SEG"), node, log)
        say(f"Back in Orthanc {time.monotonic() - sent_at:.1f} s after the first instance left: "
            + describe_segmentation(orthanc, found[0]))
        result = OUT / "segmentation.dcm"
        result.write_bytes(http("GET", orthanc.url(f"/instances/{found[0]}/file")))

        # Were the SEG routed back, its job would be here once its series is stable.
        time.sleep(5)
        if len(orthanc.transfers()) != 1 or len(orthanc.instances("SEG")) != 1:
            raise SystemExit("demo: one series should make one transfer and one SEG; there are more")
        say("No circle: Orthanc made one transfer, and keeps one SEG")

        say("Held against the known labels by highdicom:")
        print("".join(f"             {line}\n" for line in material.judge(result, OUT / "overlay.png")))
        say(f"Picture: {(OUT / 'overlay.png').relative_to(ROOT)}; the SEG: {result.relative_to(ROOT)}")
        study = orthanc.get(f"/instances/{found[0]}/simplified-tags")["StudyInstanceUID"]
        stay(dashboard, ports, study)
    say("Orthanc and irisnode are stopped. Done.")


if __name__ == "__main__":
    os.chdir(ROOT)
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("demo: interrupted; everything it started is stopped")
    except subprocess.TimeoutExpired as error:
        sys.exit(f"demo: this took too long: {' '.join(map(str, error.cmd))}")
