"""Port classes: which ports an opened rule is named after, and the notation in which they are configured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PORT_CLASSES = ("all", "admin", "database", "directory", "file", "cluster", "web", "other")
"""The values of the label `port_class`, in order: `all` is every port or protocol, `other` what no class lists."""

DEFAULT_PORT_CLASSES: dict[str, tuple[str, ...]] = {
    # Whoever gets in runs commands: shells, desktops, remote management.
    "admin": (
        "22",  # SSH
        "23",  # Telnet
        "135",  # Windows RPC endpoint mapper (WMI, DCOM)
        "161-162/udp",  # SNMP
        "512-514",  # rexec, rlogin, rsh
        "593",  # Windows RPC over HTTP
        "623/udp",  # IPMI
        "2375-2376",  # Docker
        "3000",  # development servers, Grafana
        "3389",  # RDP
        "3389/udp",
        "4505-4506",  # Salt
        "5000",  # development servers, whose debug pages run code
        "5500",  # VNC, listening viewer
        "5800-5810",  # VNC over HTTP
        "5900-5910",  # VNC
        "5985-5986",  # WinRM
        "6000-6063",  # X11
        "8000",  # development servers
        "8888",  # Jupyter, which runs code
        "10000",  # Webmin
    ),
    "database": (
        "1433-1434",  # SQL Server
        "1434/udp",
        "1521-1522",  # Oracle
        "2483-2484",  # Oracle
        "3050",  # Firebird
        "3306",  # MySQL
        "4333",  # mSQL
        "5432-5433",  # PostgreSQL
        "5439",  # Redshift
        "5601",  # Kibana
        "5984",  # CouchDB
        "6379-6380",  # Redis
        "6984",  # CouchDB over TLS
        "7000-7001",  # Cassandra
        "7199",  # Cassandra JMX
        "7473-7474",  # Neo4j
        "7687",  # Neo4j
        "8086",  # InfluxDB
        "8123",  # ClickHouse
        "8182",  # Neptune
        "9042",  # Cassandra
        "9160",  # Cassandra
        "9200",  # Elasticsearch
        "9300",  # Elasticsearch
        "11211",  # Memcached
        "11211/udp",
        "26257",  # CockroachDB
        "27017-27019",  # MongoDB
        "28015",  # RethinkDB
        "33060",  # MySQL X
        "50000",  # Db2
    ),
    # Who is who and what is where: identity and naming.
    "directory": (
        "53",  # DNS
        "53/udp",
        "88",  # Kerberos
        "88/udp",
        "389",  # LDAP
        "389/udp",
        "464",  # Kerberos password change
        "464/udp",
        "636",  # LDAP over TLS
        "749-750",  # Kerberos administration
        "750/udp",
        "1812-1813/udp",  # RADIUS
        "3268-3269",  # Active Directory global catalog
    ),
    "file": (
        "20-21",  # FTP
        "69/udp",  # TFTP
        "111",  # rpcbind
        "111/udp",
        "115",  # Simple File Transfer
        "137-139",  # NetBIOS
        "137-139/udp",
        "445",  # SMB
        "445/udp",
        "548",  # AFP
        "873",  # rsync
        "989-990",  # FTP over TLS
        "2049",  # NFS
        "2049/udp",
        "3260",  # iSCSI
    ),
    # What machines say among themselves: orchestration, queues, monitoring, secrets.
    "cluster": (
        "1883",  # MQTT
        "2181",  # ZooKeeper
        "2377",  # Docker Swarm
        "2379-2380",  # etcd
        "2888",  # ZooKeeper
        "3128",  # Squid: an open proxy lets anyone into the network
        "3888",  # ZooKeeper
        "4222",  # NATS
        "4369",  # Erlang port mapper
        "4646-4648",  # Nomad
        "4789/udp",  # VXLAN
        "5671-5672",  # AMQP
        "6443",  # Kubernetes API
        "7077",  # Spark
        "7946",  # Docker Swarm, MetalLB
        "7946/udp",
        "8020",  # HDFS
        "8088",  # YARN
        "8161",  # ActiveMQ console
        "8200-8201",  # Vault
        "8300-8302",  # Consul
        "8301-8302/udp",
        "8472/udp",  # VXLAN
        "8500-8503",  # Consul
        "8600",  # Consul DNS
        "8600/udp",
        "8883",  # MQTT over TLS
        "9090-9091",  # Prometheus, Pushgateway
        "9092",  # Kafka
        "9093-9094",  # Alertmanager
        "9094/udp",
        "9100",  # node_exporter
        "9870",  # HDFS
        "10250",  # kubelet
        "10255",  # kubelet, read only
        "10257",  # kube-controller-manager
        "10259",  # kube-scheduler
        "15672",  # RabbitMQ console
        "25672",  # RabbitMQ
        "50070",  # HDFS
        "50470",  # HDFS
        "61616",  # ActiveMQ
    ),
    # What is meant for the world: the shipped rules do not page on it, so the list is short.
    "web": ("80", "443", "443/udp", "8080", "8443"),
}
"""Ports by class, from the lists of AWS Security Hub EC2.13-EC2.19, CIS, Trusted Advisor, AWS Config and the common scanners.

Added are the ports that none of those lists has although open ones are found every day: etcd, the
Kubernetes API, kubelet, Consul, Vault, Prometheus, RabbitMQ, ZooKeeper, CouchDB, rsync, rpcbind, the
r-commands, X11, Squid. Mail (25, 110, 143) is `other`: it has no class of its own. A port is in one class only.
"""

_ENTRY = re.compile(r"\s*([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp))?\s*", re.ASCII)

Interval = tuple[int, int]
"""First and last port, both included."""


@dataclass(frozen=True, slots=True)
class PortRanges:
    """The ports of one class: sorted intervals that neither touch nor overlap."""

    tcp: tuple[Interval, ...] = ()
    udp: tuple[Interval, ...] = ()

    def overlaps(self, protocol: str, from_port: int, to_port: int) -> bool:
        """Tell whether any port of the range is in the class; False for protocols other than tcp and udp."""
        intervals = self.tcp if protocol == "tcp" else self.udp if protocol == "udp" else ()
        return any(low <= to_port and from_port <= high for low, high in intervals)

    def joined(self, other: PortRanges) -> PortRanges:
        """Return the ports of both."""
        return PortRanges(tcp=_merged([*self.tcp, *other.tcp]), udp=_merged([*self.udp, *other.udp]))


def classes_of(port_classes: Mapping[str, PortRanges], protocol: str, from_port: int | None, to_port: int | None) -> tuple[str, ...]:
    """Return `all` where every port or protocol is open, else each class that has a port in the range, in order, else `other`.

    A range from port 1 is as good as one from 0, which is reserved (RFC 6335). ICMP and protocols without ports are `other`.
    """
    if protocol == "all":
        return ("all",)
    if protocol not in ("tcp", "udp") or from_port is None or to_port is None:
        return ("other",)
    if from_port <= 1 and to_port == 65535:
        return ("all",)
    hit = (name for name in PORT_CLASSES if name in port_classes and port_classes[name].overlaps(protocol, from_port, to_port))
    return tuple(hit) or ("other",)


def parse_ports(entries: Iterable[str]) -> PortRanges:
    """Return the ranges that entries spell: `22` and `8000-8100` are tcp, `161/udp` is udp, `22/tcp` says so.

    Raises ValueError, with a remedy, for an entry that is none of these.
    """
    found: dict[str, list[Interval]] = {"tcp": [], "udp": []}
    for entry in entries:
        match = _ENTRY.fullmatch(entry) if isinstance(entry, str) else None
        if match is None:
            raise ValueError(f"{entry!r:.60} is no port; write 22, 8000-8100 (both tcp) or 161/udp")
        low = int(match[1])
        high = int(match[2]) if match[2] else low
        if not 1 <= low <= 65535 or not 1 <= high <= 65535:
            raise ValueError(f"{entry!r} is out of range; ports go from 1 to 65535")
        if low > high:
            raise ValueError(f"{entry!r} runs backwards; write {high}-{low}{'/' + match[3] if match[3] else ''}")
        found[match[3] or "tcp"].append((low, high))
    return PortRanges(tcp=_merged(found["tcp"]), udp=_merged(found["udp"]))


def _merged(intervals: list[Interval]) -> tuple[Interval, ...]:
    out: list[Interval] = []
    for low, high in sorted(intervals):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], high))
        else:
            out.append((low, high))
    return tuple(out)
