# SPDX-License-Identifier: GPL-2.0-only
#
# "make help" lists the targets. The kernel's build system reads Kbuild.

BUILD := $(CURDIR)/build
# The kernel to build for. Default: the running one if its headers are installed, else the VM's.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) $(VM_KDIR))
prefix ?= /usr/local
DESTDIR ?=

# The kernel of the virtual machine; set after tests/setup has run.
VM_RELEASE = $(shell cat $(BUILD)/kernel-release 2>/dev/null)
VM_KDIR = $(addprefix /usr/src/linux-headers-,$(VM_RELEASE))

# The release of the kernel that KDIR belongs to; each release has its own build directory.
# Debian's include/config/kernel.release differs from it.
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

VERSION := $(shell packaging/version)

export BUILD prefix DESTDIR
# Keep Python from writing into directories that parallel suites read.
export PYTHONDONTWRITEBYTECODE := 1

# Make the system use the new files, with the tools that it has.
reload_system = ldconfig; \
	if command -v systemd-sysusers >/dev/null; then systemd-sysusers; fi; \
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; udevadm control --reload; fi

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z_-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: modules
modules: ## build lastline.ko for the running kernel (or KDIR=...)
	@[ -e "$(KDIR)/Makefile" ] || { \
		echo "make: no headers for this kernel; install linux-headers-$$(uname -r) or set KDIR" >&2; \
		exit 1; }
	@mkdir -p $(BUILD)/$(RELEASE)
	@cp -ru --preserve=timestamps Kbuild module $(BUILD)/$(RELEASE)
	$(MAKE) -C $(KDIR) M=$(BUILD)/$(RELEASE) modules

.PHONY: vm-modules
vm-modules: ## build lastline.ko for the VM's kernel; installs what the VM needs
	@tests/setup $(BUILD) vm
	@$(MAKE) --no-print-directory modules \
		KDIR=/usr/src/linux-headers-$$(cat $(BUILD)/kernel-release) >$(BUILD)/modules.log 2>&1 || \
		{ cat $(BUILD)/modules.log; exit 1; }

.PHONY: run
run: ## demo in a VM: a fast writer and slow readers
	@tests/demo

.PHONY: shell
shell: ## open a shell in a VM with everything installed
	@tests/shell

.PHONY: check
check: ## run the fast tests (SUITES="unit contract")
	@tests/check $(SUITES)

.PHONY: check-all
check-all: ## run all other tests in two hours; resumable (SUITES="kasan mqtt")
	@tests/check --all $(SUITES)

.PHONY: mutants
mutants: ## apply one deliberate bug at a time; tests must fail (MUTANTS="name ...")
	@tests/mutants/run $(MUTANTS)

.PHONY: matrix
matrix: ## build and test on Debian 11, 12, 13 and sid (SUITES="bullseye sid")
	@tests/check $(or $(SUITES),matrix)

.PHONY: architectures
architectures: ## build and test for arm64, armhf and s390x (ARCHES="arm64 ...")
	@tests/check $(or $(ARCHES),architectures)

.PHONY: torture
torture: ## run stress tests, fuzzers and models for longer (MINUTES=5 ATTACK="fuzz kasan")
	@tests/torture $(if $(MINUTES),--minutes $(MINUTES)) $(ATTACK)

.PHONY: lint
lint: ## run checkpatch, sparse, W=1 with gcc and clang, shellcheck and more
	@tests/check lint

.PHONY: bench
bench: $(if $(NATIVE),,vm-modules) ## measure lastline and its alternatives (NATIVE=1: on this machine)
	@tests/setup $(BUILD) vm bench
	@tests/bench/run $(if $(NATIVE),--native)

.PHONY: bench-check
bench-check: vm-modules ## fail if lastline is slower than tests/bench/baseline.json
	@tests/setup $(BUILD) vm bench
	@tests/bench/check

.PHONY: load
load: modules ## build the module and load it on this machine (PARAMS="devices=4 ...")
	insmod $(BUILD)/$(RELEASE)/lastline.ko $(PARAMS)

.PHONY: unload
unload: ## unload the module
	rmmod lastline

.PHONY: kernel-tree
kernel-tree: ## add the driver to a kernel source tree and build it there (KSRC=...)
	@tests/setup $(BUILD) vm source kernel kernel-tree
	@packaging/kernel-tree/lay-out '$(KSRC)'
	@echo "Added the driver to $(KSRC). Building a kernel in $(BUILD)/kernel-tree."
	@packaging/kernel-tree/build '$(KSRC)' $(BUILD)/kernel-tree
	@echo "Built lastline.ko, and vmlinuz with the driver built in."

.PHONY: userspace
userspace: ## build library and commands
	$(MAKE) -C userspace

.PHONY: install
install: modules ## install module, library, commands and their configuration
	$(MAKE) -C $(KDIR) M=$(BUILD)/$(RELEASE) INSTALL_MOD_DIR=updates modules_install \
		$(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=true)
	$(MAKE) -C userspace install
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(if $(DESTDIR),,$(reload_system))

.PHONY: uninstall
uninstall: ## remove what "make install" installed
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/updates/lastline.ko*
	$(MAKE) -C userspace uninstall
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(if $(DESTDIR),,$(reload_system))

# Reproducible: the archive depends on the commit only.
.PHONY: dist
dist: ## make build/lastline-VERSION.tar.xz from the last commit
	@mkdir -p $(BUILD)
	git -c tar.umask=0022 archive --prefix=lastline-$(VERSION)/ HEAD | xz -T1 >$(BUILD)/lastline-$(VERSION).tar.xz
	@cd $(BUILD) && sha256sum lastline-$(VERSION).tar.xz

DKMS_SOURCE = $(DESTDIR)/usr/src/lastline-$(VERSION)

# The running kernel, unless KDIR is set.
DKMS_KERNEL = $(if $(filter file,$(origin KDIR)),$(shell uname -r),$(RELEASE))

# Remove an installed module first: DKMS does not rebuild the same version.
.PHONY: dkms-install
dkms-install: dkms-source ## install the module with DKMS, which rebuilds it for new kernels
	! dkms status lastline/$(VERSION) -k $(DKMS_KERNEL) | grep -q . || \
		dkms remove lastline/$(VERSION) -k $(DKMS_KERNEL)
	dkms install lastline/$(VERSION) -k $(DKMS_KERNEL)

.PHONY: dkms-remove
dkms-remove: ## remove the module from DKMS, for all kernels
	dkms remove lastline/$(VERSION) --all
	rm -rf $(DKMS_SOURCE)

.PHONY: dkms-source
dkms-source: ## copy the source to /usr/src/lastline-VERSION for DKMS
	rm -rf $(DKMS_SOURCE)/module
	install -d $(DKMS_SOURCE)
	cp -r Kbuild module LICENSE $(DKMS_SOURCE)
	sed 's/@version@/$(VERSION)/' packaging/dkms.conf.in >$(DKMS_SOURCE)/dkms.conf

.PHONY: packages
packages: ## build Debian packages into build/packages/
	packaging/build-deb

.PHONY: recipes
recipes: ## make build/lastline.spec for rpmbuild and build/PKGBUILD for makepkg
	@mkdir -p $(BUILD)
	sed -e 's/@version@/$(VERSION)/' -e "s/@date@/$$(LC_ALL=C date -u -r CHANGELOG.md '+%a %b %d %Y')/" \
		packaging/rpm/lastline.spec.in >$(BUILD)/lastline.spec
	packaging/changes | sed 's/%/%%/g' >>$(BUILD)/lastline.spec
	sed 's/@version@/$(VERSION)/' packaging/arch/PKGBUILD.in >$(BUILD)/PKGBUILD

.PHONY: clean
clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: clean-cache
clean-cache: ## remove kernels, images and root file systems shared by all checkouts
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/lastline"
