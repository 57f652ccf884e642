"""A bad wire between a node's port and the hub's bridge: delays and drops frames.

Not tc's netem: small kernels lack it. Frames are copied between two packet sockets, each with its
virtio header, so that checksums and large frames that the kernel has left unfinished stay so.
"""

import argparse
import heapq
import random
import select
import socket
import sys
import time

ALL_FRAMES = 0x0003
SOL_PACKET, PACKET_VNET_HDR = 263, 15
LARGEST = 10 + 18 + 65536


def _open(interface):
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_FRAMES))
    opened.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    opened.bind((interface, ALL_FRAMES))
    opened.setblocking(False)
    return opened


class Wire:
    """Two ends, and the frames on their way."""

    def __init__(self, ends, latency, jitter, loss):
        self._ends = [_open(name) for name in ends]
        self._latency, self._jitter, self._loss = latency, jitter, loss
        self._flying = []
        self._last = [0.0, 0.0]
        self._number = 0

    def carry(self):
        """Carry frames until an end is gone."""
        while True:
            wait = max(0.0, self._flying[0][0] - time.monotonic()) if self._flying else None
            for ready in select.select(self._ends, [], [], wait)[0]:
                self._take(self._ends.index(ready))
            self._deliver()

    def _take(self, end):
        while True:
            try:
                frame, (_, _, kind, *_) = self._ends[end].recvfrom(LARGEST)
            except BlockingIOError:
                return
            if kind == socket.PACKET_OUTGOING or random.random() < self._loss:
                continue
            delay = self._latency + random.uniform(-self._jitter, self._jitter)
            # Frames of one direction keep their order
            due = max(self._last[end], time.monotonic() + max(0.0, delay))
            self._last[end] = due
            self._number += 1
            heapq.heappush(self._flying, (due, self._number, 1 - end, frame))

    def _deliver(self):
        while self._flying and self._flying[0][0] <= time.monotonic():
            _, _, end, frame = heapq.heappop(self._flying)
            try:
                self._ends[end].send(frame)
            except (BlockingIOError, InterruptedError):
                continue


def main(arguments):
    """Carry frames between two interfaces until one of them goes away."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ends", nargs=2, metavar="INTERFACE")
    parser.add_argument("--latency", type=float, default=0, help="seconds, each way")
    parser.add_argument("--jitter", type=float, default=0, help="seconds, more or less")
    parser.add_argument("--loss", type=float, default=0, help="share of the frames, 0 to 1")
    options = parser.parse_args(arguments)
    wire = Wire(options.ends, options.latency, options.jitter, options.loss)
    print("ready", flush=True)
    try:
        wire.carry()
    except OSError as error:
        print(f"the wire {'-'.join(options.ends)} ends: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
