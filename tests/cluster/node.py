"""One real Kubernetes node: etcd, API server, controllers, scheduler, containerd, kubelet, kube-proxy and cluster DNS.

What made it work, so that it need not be found again: the sandbox image is our own; containerd must neither ask for a better
`oom_score_adj` nor for overlays; the kubelet makes no control groups for classes of pods, and takes version 1 of them; kube-proxy
leaves connection tracking's limits alone. Pods find names that are not the cluster's at 10.88.0.1 (`names.py`).
"""

from __future__ import annotations

import json
import secrets
import shutil
from pathlib import Path

import certificates
from processes import LOGS, PROGRAMS, REPOSITORY, STATE, Processes, output, say, succeeds

HERE = Path(__file__).resolve().parent
ADDRESS = "10.88.0.1"
PODS, SERVICES = "10.244.0.0", "10.96.0.0"
FIRST_SERVICE, DNS_SERVICE = "10.96.0.1", "10.96.0.10"
KUBECONFIG = STATE / "admin.kubeconfig"
# Containers' files are on disk: there are many of them.
CONTAINERS = REPOSITORY / "target" / "cluster" / "containers"
USERS = {
    "admin": ("admin", "system:masters"),
    "controllers": ("system:kube-controller-manager", "system:masters"),
    "scheduler": ("system:kube-scheduler", "system:masters"),
    "proxy": ("system:kube-proxy", "system:node-proxier"),
    "kubelet": ("system:node:node1", "system:nodes"),
}
PAUSE = "int pause(void); int main(void) { for (;;) pause(); }"


def kubectl(*arguments: str, given: str | None = None, seconds: float = 120.0) -> str:
    """Runs kubectl as the administrator."""
    return output(PROGRAMS / "kubectl", "--kubeconfig", KUBECONFIG, *arguments, given=given, seconds=seconds)


def helm(*arguments: str, seconds: float = 300.0) -> str:
    """Runs Helm as the administrator."""
    return output(PROGRAMS / "helm", "--kubeconfig", KUBECONFIG, *arguments, seconds=seconds)


def load(archive: Path) -> None:
    """Gives an image to the node."""
    output("ctr", "-a", STATE / "containerd.sock", "-n", "k8s.io", "images", "import", archive, seconds=300)


def start(processes: Processes) -> None:
    """Starts everything; returns when pods can run."""
    say("starting the Kubernetes node")
    shutil.rmtree(CONTAINERS, ignore_errors=True)
    CONTAINERS.mkdir(parents=True)
    _make_identities()
    _start_control_plane(processes)
    _start_containers(processes)
    processes.until("the API server", lambda: _answers("/readyz"), 120)
    _start_controllers(processes)
    _start_node(processes)
    kubectl("apply", "-f", str(HERE / "manifests" / "coredns.yaml"))
    processes.until("the node", lambda: "True" in kubectl("get", "nodes", "-o", 'jsonpath={..conditions[?(@.type=="Ready")].status}'), 120)
    kubectl("-n", "kube-system", "wait", "--for=condition=Available", "deploy/coredns", "--timeout=120s", seconds=130)
    say("the Kubernetes node is ready")


def _answers(path: str) -> bool:
    return succeeds(PROGRAMS / "kubectl", "--kubeconfig", KUBECONFIG, "get", "--raw", path)


def _make_identities() -> None:
    certificates.make_authority(STATE, "kube-ca")
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost")
    hosts = ",".join([*(f"DNS:{name}" for name in names), *(f"IP:{address}" for address in ("127.0.0.1", FIRST_SERVICE, ADDRESS))])
    certificates.make(STATE, "api", subject="kube-apiserver", authority="kube-ca", host=hosts)
    certificates.make(STATE, "to-kubelet", subject="kube-apiserver-kubelet-client/O=system:masters", authority="kube-ca", host="DNS:api")
    certificates.openssl(STATE, "genrsa", "-out", "accounts.key", "2048")
    certificates.openssl(STATE, "rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
    tokens = ""
    for name, (user, group) in USERS.items():
        token = secrets.token_hex(16)
        tokens += f'{token},{user},{name},"{group}"\n'
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "kube", "cluster": {"server": f"https://{ADDRESS}:6443", "certificate-authority": str(STATE / "kube-ca.pem")}}
            ],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "kube", "context": {"cluster": "kube", "user": name}}],
            "current-context": "kube",
        }
        (STATE / f"{name}.kubeconfig").write_text(json.dumps(config))
    (STATE / "tokens.csv").write_text(tokens)


def _start_control_plane(processes: Processes) -> None:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    addresses = ("--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer)
    processes.start("etcd", "etcd", "--data-dir", STATE / "etcd", "--unsafe-no-fsync", *addresses)
    processes.start(
        "api-server",
        PROGRAMS / "kube-apiserver",
        f"--etcd-servers={client}",
        *(f"--bind-address={ADDRESS}", f"--advertise-address={ADDRESS}"),
        *("--tls-cert-file=api.pem", "--tls-private-key-file=api.key", "--client-ca-file=kube-ca.pem", "--token-auth-file=tokens.csv"),
        *("--kubelet-client-certificate=to-kubelet.pem", "--kubelet-client-key=to-kubelet.key"),
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        *("--service-account-key-file=accounts.pub", "--service-account-signing-key-file=accounts.key"),
        f"--service-cluster-ip-range={SERVICES}/16",
        *("--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true"),
    )


def _start_controllers(processes: Processes) -> None:
    processes.start(
        "controllers",
        PROGRAMS / "kube-controller-manager",
        *("--kubeconfig=controllers.kubeconfig", "--use-service-account-credentials=true", "--leader-elect=false"),
        *("--root-ca-file=kube-ca.pem", "--service-account-private-key-file=accounts.key"),
        *("--cluster-signing-cert-file=kube-ca.pem", "--cluster-signing-key-file=kube-ca.key"),
        *("--allocate-node-cidrs=true", f"--cluster-cidr={PODS}/16", f"--service-cluster-ip-range={SERVICES}/16"),
    )
    processes.start("scheduler", PROGRAMS / "kube-scheduler", "--kubeconfig=scheduler.kubeconfig", "--leader-elect=false")


def _start_containers(processes: Processes) -> None:
    network = {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": True,
                "hairpinMode": True,
                "ipam": {"type": "host-local", "ranges": [[{"subnet": f"{PODS}/24"}]], "routes": [{"dst": "0.0.0.0/0"}]},
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    (STATE / "cni").mkdir()
    (STATE / "cni" / "10-bridge.conflist").write_text(json.dumps(network))
    (STATE / "containerd.toml").write_text(f"""
version = 2
root = "{CONTAINERS}"
state = "{STATE}/containerd"
[grpc]
  address = "{STATE}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{STATE}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
""")
    processes.start("containerd", "containerd", "-c", STATE / "containerd.toml")
    pause, coredns = STATE / "pause", STATE / "coredns"
    pause.mkdir()
    coredns.mkdir()
    output("gcc", "-static", "-O2", "-x", "c", "-", "-o", pause / "pause", given=PAUSE)
    shutil.copy(PROGRAMS / "coredns", coredns / "coredns")
    processes.until("containerd", lambda: succeeds("ctr", "-a", STATE / "containerd.sock", "version"))
    for folder in (pause, coredns):
        archive = STATE / f"{folder.name}.tar"
        make = (REPOSITORY / "image" / "archive.py", "--entrypoint", f"/{folder.name}", archive, f"localhost/{folder.name}:1", folder)
        output("python3", *make)
        load(archive)


def _start_node(processes: Processes) -> None:
    # Where pods look for names that the cluster does not know.
    (STATE / "pods-resolv.conf").write_text(f"nameserver {ADDRESS}\n")
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": ADDRESS,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(STATE / "kube-ca.pem")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "cgroupDriver": "cgroupfs",
        "cgroupsPerQOS": False,
        "enforceNodeAllocatable": [],
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": str(STATE / "pods-resolv.conf"),
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "containerRuntimeEndpoint": f"unix://{STATE}/containerd.sock",
        "podLogsDir": str(LOGS / "pods"),
    }
    (STATE / "kubelet.json").write_text(json.dumps(kubelet))
    who = ("--kubeconfig=kubelet.kubeconfig", "--hostname-override=node1", f"--node-ip={ADDRESS}")
    processes.start("kubelet", PROGRAMS / "kubelet", "--config=kubelet.json", *who, f"--root-dir={STATE}/kubelet")
    proxy = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(STATE / "proxy.kubeconfig")},
        "mode": "iptables",
        "clusterCIDR": f"{PODS}/16",
        "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "hostnameOverride": "node1",
    }
    (STATE / "proxy.json").write_text(json.dumps(proxy))
    processes.start("proxy", PROGRAMS / "kube-proxy", "--config=proxy.json")
