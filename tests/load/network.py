"""A network of machines on one machine: network namespaces (Linux) around a hub, with a cable (veth) to each."""

import subprocess

HUB = "198.18.0.1"
"""Of a range for benchmarks, which no other network has (RFC 2544, C.2.2)."""


class Unavailable(Exception):
    """This system gives no process a network of its own; says why."""


class Namespace:
    """A network namespace; there as long as a process holds it.

    Attributes:
        within: words in front of a command that run it there.

    Args:
        words: that make it.
    """

    def __init__(self, *words):
        self._holder = subprocess.Popen(
            [*words, "sh", "-c", "echo made; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self.pid = str(self._holder.pid)
        self.within = ("nsenter", "--target", self.pid, "--user", "--net", "--preserve-credentials")
        if self._holder.stdout.readline() != "made\n":
            raise Unavailable(self.close())

    def ip(self, *commands):
        """Have the network changed by ip(8)."""
        batch = "".join(f"{command}\n" for command in commands)
        done = subprocess.run(
            [*self.within, "ip", "-batch", "-"], input=batch, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Unavailable(done.stderr.strip())

    def close(self):
        """End it; returns what its holder complained of."""
        _, complaint = self._holder.communicate("")
        return complaint.strip()


class Network:
    """Machines around a hub, each with a cable of its own to it.

    Attributes:
        hub: words in front of a command that run it on the hub, whose address is `HUB`.
        machines: the same of each machine.

    Args:
        machines: that there are.

    Raises:
        Unavailable: not on this system.
    """

    def __init__(self, machines):
        self._namespaces = []
        try:
            self._hub = self._made("unshare", "--user", "--map-root-user", "--net")
            self._hub.ip("link set lo up", f"address add {HUB}/32 dev lo")
            self.hub, self.machines = self._hub.within, [self._machine(place) for place in range(machines)]
        except (FileNotFoundError, Unavailable) as error:
            self.close()
            raise Unavailable(str(error)) from None

    def pull(self, place):
        """Pull the cable of the machine in this place."""
        self._hub.ip(f"link set cable{place} down")

    def plug_in(self, place):
        self._hub.ip(f"link set cable{place} up")

    def close(self):
        for namespace in reversed(self._namespaces):
            namespace.close()

    def _machine(self, place):
        machine = self._made(*self._hub.within, "unshare", "--net")
        subnet = f"198.18.{place + 1}"
        self._hub.ip(
            f"link add cable{place} type veth peer name cable netns {machine.pid}",
            f"address add {subnet}.1/24 dev cable{place}",
            f"link set cable{place} up",
        )
        machine.ip(
            "link set lo up",
            f"address add {subnet}.2/24 dev cable",
            "link set cable up",
            f"route add default via {subnet}.1",
        )
        return machine.within

    def _made(self, *words):
        namespace = Namespace(*words)
        self._namespaces.append(namespace)
        return namespace
