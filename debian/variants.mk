# The two packages, and which of them are built. Included by debian/rules.

PACKAGE_corosync1 = resource-agents-paf-corosync1
PACKAGE_corosync2 = resource-agents-paf
PYTHON_corosync1  = /usr/bin/python
PYTHON_corosync2  = /usr/bin/python3

PAF_VARIANT ?=
ifeq ($(PAF_VARIANT),corosync1)
LEFT_OUT = $(PACKAGE_corosync2)
else ifeq ($(PAF_VARIANT),corosync2)
LEFT_OUT = $(PACKAGE_corosync1)
else ifeq ($(PAF_VARIANT),)
LEFT_OUT =
else
$(error PAF_VARIANT must be corosync1 or corosync2, not "$(PAF_VARIANT)")
endif

VARIANTS = $(or $(PAF_VARIANT),corosync1 corosync2)
# compiles the library when the package is installed, and adds python3 to what it depends on
DH_WITH  = $(if $(filter corosync2,$(VARIANTS)),--with python3)
