# What the packages of the two variants differ in. Included by debian/rules.

ifeq ($(PAF_VARIANT),corosync2)

PYTHON     = /usr/bin/python3
# pacemaker only recommends pacemaker-cli-utils, which has crm_attribute, attrd_updater, cibadmin
DEPENDS    = resource-agents, pacemaker (>= 1.1.13) | pacemaker-remote (>= 1.1.13), \
             pacemaker-cli-utils, corosync (>= 2.0.0)
RECOMMENDS = python3-psycopg2, python3-lxml
# compiles the library when the package is installed, and adds python3 to what it depends on
DH_WITH    = --with python3

# pcs and crmsh copy the meta-data's role words into the CIB, whose schema knows Promoted and
# Unpromoted since Pacemaker 2.1, in Debian 12. A testing release has no VERSION_ID.
OCF := $(shell . /etc/os-release; \
	case "$$ID:$$VERSION_ID" in (debian:8|debian:9|debian:10|debian:11) echo 1.0;; (*) echo 1.1;; esac)

else ifeq ($(PAF_VARIANT),corosync1)

PYTHON     = /usr/bin/python
DEPENDS    = resource-agents, pacemaker (<< 1.1.13), corosync (<< 2), python (>= 2.6)
RECOMMENDS = python-psycopg2, python-lxml
NO_PYTHON3 = -Vpython3:Depends=
OCF        = 1.0

else
$(error PAF_VARIANT must be corosync1 or corosync2, not "$(PAF_VARIANT)")
endif
