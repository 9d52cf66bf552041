# The system bus, for daemons that are on it.
rm -f /run/dbus/pid
mkdir -p /run/dbus
dbus-uuidgen --ensure
dbus-daemon --system --fork
stop_bus() {
    kill "$(cat /run/dbus/pid)"
    gone dbus-daemon
}
