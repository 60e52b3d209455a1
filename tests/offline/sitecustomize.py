"""On PYTHONPATH of a process that must not use the network: every attempt fails and is written down in $NETWORK_LOG."""

import os
import socket
import traceback


def _refused(what, arguments):
    with open(os.environ["NETWORK_LOG"], "a") as file:  # noqa: PTH123
        file.write(f"{what}{arguments!r}\n{''.join(traceback.format_stack()[-8:-2])}")
    raise OSError("there is no network here")


def _guard(name):
    true = getattr(socket.socket, name)

    def guarded(self, *arguments):
        if self.family != socket.AF_UNIX:  # W&B speaks to its own process
            _refused(name, arguments)
        return true(self, *arguments)

    setattr(socket.socket, name, guarded)


for each in ("connect", "connect_ex", "sendto", "sendmsg"):
    _guard(each)
for each in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
    setattr(socket, each, lambda *a, each=each, **k: _refused(each, a))
