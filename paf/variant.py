"""What was chosen when the package was built: `make install` rewrites this file."""

NAME = "corosync2"    # corosync1: Pacemaker up to 1.1.12; corosync2: 1.1.13 and later
OCF = "1.1"           # the OCF version of the meta-data: 1.1 from Pacemaker 2.1 on, else 1.0;
                      # auto: by what is installed where it runs
PGHOST = "/tmp"       # the socket directory of the distribution's PostgreSQL
