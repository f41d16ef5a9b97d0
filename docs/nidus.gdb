# For GDB with Nidus:   gdb-multiarch -x docs/nidus.gdb
#   (gdb) nidus :1234          connect; inferior 1 is the machine, 2 is L1, 3 is L2
#   (gdb) nidus-levels         again, when more VMs have appeared
set architecture aarch64
set confirm off
# The machine runs as a whole: a `continue` in one inferior lets all run, and any of them may stop.
set schedule-multiple on
python
import gdb

def nidus_levels():
    """GDB learns of the inferiors, and asks for their system registers."""
    print(gdb.execute("monitor levels", to_string=True), end="")
    gdb.execute("info threads", to_string=True)
    current = gdb.selected_thread()
    for inferior in gdb.inferiors():
        if inferior.pid != 0 and inferior.num != 1 and inferior.threads():
            inferior.threads()[0].switch()
            gdb.execute("unset tdesc filename", to_string=True)
    current.switch()

class NidusLevels(gdb.Command):
    """Show the levels of the machine, and make each an inferior."""
    def __init__(self): super().__init__("nidus-levels", gdb.COMMAND_RUNNING)
    def invoke(self, argument, from_tty): nidus_levels()

class Nidus(gdb.Command):
    """Connect to Nidus: nidus :PORT, nidus HOST:PORT or nidus PATH-OF-SOCKET."""
    def __init__(self): super().__init__("nidus", gdb.COMMAND_RUNNING)
    def invoke(self, argument, from_tty):
        gdb.execute(f"target extended-remote {argument or ':1234'}", to_string=True)
        nidus_levels()

NidusLevels()
Nidus()
end
