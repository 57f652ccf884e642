"""What was chosen when the package was built: `make install` rewrites this file."""

#: corosync1: Pacemaker up to 1.1.12; corosync2: 1.1.13 and later.
NAME = "corosync2"
#: The OCF version of the meta-data: 1.1 from Pacemaker 2.1 on, else 1.0; auto: by what is installed
#: where it runs.
OCF = "1.1"
#: The socket directory of the distribution's PostgreSQL.
PGHOST = "/tmp"
#: The folder of the pages that messages name; a package has its own.
PAGES = "docs"
