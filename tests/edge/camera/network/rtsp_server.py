"""A network camera of Debian's GStreamer, run by the system's Python, which has its bindings: H.264 over RTSP.

It prints its port, then obeys the lines of standard input: `drop` disconnects everybody, `stop` delivers nothing more,
`start` delivers again, `resize WIDTH HEIGHT` changes the size of the image.
"""

import sys
from typing import Any

import gi  # type: ignore[import-not-found, import-untyped, unused-ignore]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # type: ignore[import-not-found, unused-ignore] # noqa: E402

CAPS = "video/x-raw,width={},height={},framerate=15/1"
PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! videoscale ! capsfilter name=size caps={caps} ! "
    "valve name=valve ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=15 ! "
    "rtph264pay name=pay0 config-interval=-1 pt=96 )"
)


def main(account: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer(service="0", address="127.0.0.1")
    factory = GstRtspServer.RTSPMediaFactory(launch=PIPELINE.format(caps=CAPS.format(320, 240)), shared=True)
    opened: list[Any] = []
    factory.connect("media-configure", lambda _, media: opened.append(media))
    if account:
        require_account(server, factory, *account.split(":"))
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print(server.get_bound_port(), flush=True)

    def element(name: str) -> Any:
        return opened[-1].get_element().get_by_name(name)

    def obey(channel: Any, _: Any) -> bool:
        match channel.readline().split():
            case []:
                loop.quit()
            case ["drop"]:
                server.client_filter(lambda *_: GstRtspServer.RTSPFilterResult.REMOVE)
            case ["stop"]:
                element("valve").set_property("drop", True)
            case ["start"]:
                element("valve").set_property("drop", False)
            case ["resize", width, height]:
                element("size").set_property("caps", Gst.Caps.from_string(CAPS.format(width, height)))
        return True

    loop = GLib.MainLoop()
    GLib.io_add_watch(
        GLib.IOChannel.unix_new(sys.stdin.fileno()), GLib.PRIORITY_DEFAULT, GLib.IO_IN | GLib.IO_HUP, obey
    )
    loop.run()


def require_account(server: Any, factory: Any, user: str, password: str) -> None:
    """Digest authentication, which does not send the password as it is."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    auth.add_digest(user, password, token)
    server.set_auth(auth)
    role = Gst.Structure.new_empty("viewer")
    role.set_value("media.factory.access", True)
    role.set_value("media.factory.construct", True)
    factory.add_role_from_structure(role)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
