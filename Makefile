# SPDX-License-Identifier: GPL-2.0-only
#
# "make help" lists the targets. The kernel's build system reads Kbuild.

BUILD := $(CURDIR)/build
# The kernel to build for: the running one where its headers are installed.
KDIR ?= $(firstword $(wildcard /lib/modules/$(shell uname -r)/build) $(VM_KDIR))
prefix ?= /usr/local
DESTDIR ?=

# The kernel of the virtual machine; known after tests/setup.
VM_RELEASE = $(shell cat $(BUILD)/kernel-release 2>/dev/null)
VM_KDIR = $(addprefix /usr/src/linux-headers-,$(VM_RELEASE))

# The release of the kernel that KDIR is for. Each has its own build directory.
# (Debian's include/config/kernel.release is another one.)
RELEASE = $(shell sed -n 's/.*UTS_RELEASE "\(.*\)"/\1/p' $(KDIR)/include/generated/utsrelease.h)

VERSION := $(shell packaging/version)

export BUILD prefix DESTDIR
# Suites that run in parallel read the directories of the tests.
export PYTHONDONTWRITEBYTECODE := 1

# Tell the system about the new files, as far as it has these tools.
settle = ldconfig; \
	if command -v systemd-sysusers >/dev/null; then systemd-sysusers; fi; \
	if [ -d /run/systemd/system ]; then systemctl daemon-reload; udevadm control --reload; fi

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z_-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: modules
modules: ## build lastline.ko for the running kernel (or KDIR=...)
	@[ -e "$(KDIR)/Makefile" ] || { \
		echo "No headers for this kernel. Install linux-headers-$$(uname -r), or name others by KDIR=." >&2; \
		exit 1; }
	@mkdir -p $(BUILD)/$(RELEASE)
	@cp -ru --preserve=timestamps Kbuild module $(BUILD)/$(RELEASE)
	$(MAKE) -C $(KDIR) M=$(BUILD)/$(RELEASE) modules

# The same for the kernel of the virtual machine.
.PHONY: vm-modules
vm-modules: ## build it for the VM's kernel, after installing what a VM needs
	@tests/setup $(BUILD) vm
	@$(MAKE) --no-print-directory modules \
		KDIR=/usr/src/linux-headers-$$(cat $(BUILD)/kernel-release) >$(BUILD)/modules.log 2>&1 || \
		{ cat $(BUILD)/modules.log; exit 1; }

.PHONY: run
run: ## watch it work: a fast writer, slow readers, in a VM
	@tests/demo

.PHONY: shell
shell: ## a shell in a VM where everything is installed
	@tests/shell

.PHONY: check
check: ## the tests that need no debug kernel and no Debian image (SUITES="unit contract")
	@tests/check $(SUITES)

.PHONY: check-all
check-all: ## all other tests, for two hours (SUITES="kasan mqtt matrix"); continues where it was
	@tests/check --all $(SUITES)

.PHONY: mutants
mutants: ## apply one deliberate bug at a time; every one must be caught (MUTANTS="name ...")
	@tests/mutants/run $(MUTANTS)

.PHONY: matrix
matrix: ## build and test it on Debian 11, 12, 13 and sid (SUITES="bullseye sid")
	@tests/matrix $(SUITES)

.PHONY: architectures
architectures: ## build and test for arm64, armhf and s390x (ARCHES="arm64 ...")
	@tests/matrix $(or $(ARCHES),arm64 armhf s390x)

.PHONY: torture
torture: ## attack the driver in every way for an hour or two (MINUTES=5 ATTACK="fuzz kasan")
	@tests/torture $(if $(MINUTES),--minutes $(MINUTES)) $(ATTACK)

.PHONY: lint
lint: ## checkpatch, sparse, W=1 with gcc and clang, shellcheck and more
	@tests/check lint

.PHONY: bench
bench: $(if $(NATIVE),,vm-modules) ## measure it and the alternatives (NATIVE=1: on this machine)
	@tests/setup $(BUILD) vm bench
	@tests/bench/run $(if $(NATIVE),--native)

.PHONY: bench-check
bench-check: vm-modules ## is anything slower than tests/bench/baseline.json?
	@tests/setup $(BUILD) vm bench
	@tests/bench/check

.PHONY: load
load: modules ## build and load the module on this machine (PARAMS="devices=4 ...")
	insmod $(BUILD)/$(RELEASE)/lastline.ko $(PARAMS)

.PHONY: unload
unload: ## unload it
	rmmod lastline

.PHONY: kernel-tree
kernel-tree: ## lay it out in a kernel's source tree (KSRC=...), and build it there
	@tests/setup $(BUILD) vm source kernel kernel-tree
	@packaging/kernel-tree/lay-out '$(KSRC)'
	@echo "Laid out in $(KSRC). Now a kernel is built from it in $(BUILD)/kernel-tree."
	@packaging/kernel-tree/build '$(KSRC)' $(BUILD)/kernel-tree
	@echo "It builds: as a module, lastline.ko, and built in, vmlinuz."

.PHONY: userspace
userspace: ## build library and command
	$(MAKE) -C userspace

.PHONY: install
install: modules ## install module, library, command, and their configuration
	$(MAKE) -C $(KDIR) M=$(BUILD)/$(RELEASE) INSTALL_MOD_DIR=updates modules_install \
		$(if $(wildcard $(KDIR)/certs/signing_key.pem),,CONFIG_MODULE_SIG_ALL=) \
		$(if $(DESTDIR),INSTALL_MOD_PATH=$(DESTDIR) DEPMOD=true)
	$(MAKE) -C userspace install
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(if $(DESTDIR),,$(settle))

.PHONY: uninstall
uninstall: ## remove what install installed
	rm -f $(DESTDIR)/lib/modules/$(RELEASE)/updates/lastline.ko*
	$(MAKE) -C userspace uninstall
	$(if $(DESTDIR),,depmod $(RELEASE))
	$(if $(DESTDIR),,$(settle))

# Reproducible: the archive contains no time of day, machine or user.
.PHONY: dist
dist: ## make build/lastline-VERSION.tar.xz of the last commit
	@mkdir -p $(BUILD)
	git -c tar.umask=0022 archive --prefix=lastline-$(VERSION)/ HEAD | xz -T1 >$(BUILD)/lastline-$(VERSION).tar.xz
	@cd $(BUILD) && sha256sum lastline-$(VERSION).tar.xz

# DKMS wants a directory with the sources and how to build them.
DKMS_SOURCE = $(DESTDIR)/usr/src/lastline-$(VERSION)

# For the running kernel, unless KDIR was given. DKMS does not rebuild what it has built.
DKMS_KERNEL = $(if $(filter file,$(origin KDIR)),$(shell uname -r),$(RELEASE))

.PHONY: dkms-install
dkms-install: dkms-source ## have DKMS install the module, and build it for each new kernel
	! dkms status lastline/$(VERSION) -k $(DKMS_KERNEL) | grep -q . || \
		dkms remove lastline/$(VERSION) -k $(DKMS_KERNEL)
	dkms install lastline/$(VERSION) -k $(DKMS_KERNEL)

.PHONY: dkms-remove
dkms-remove: ## remove it again, for all kernels
	dkms remove lastline/$(VERSION) --all
	rm -rf $(DKMS_SOURCE)

.PHONY: dkms-source
dkms-source: ## lay out /usr/src/lastline-VERSION, for "dkms install lastline/VERSION"
	rm -rf $(DKMS_SOURCE)/module
	install -d $(DKMS_SOURCE)
	cp -r Kbuild module LICENSE $(DKMS_SOURCE)
	sed 's/@version@/$(VERSION)/' packaging/dkms.conf.in >$(DKMS_SOURCE)/dkms.conf

.PHONY: packages
packages: ## build Debian packages into build/packages/, for "apt install ./build/packages/*.deb"
	packaging/build-deb

.PHONY: recipes
recipes: ## fill in build/lastline.spec for rpmbuild, and build/PKGBUILD for makepkg
	@mkdir -p $(BUILD)
	sed -e 's/@version@/$(VERSION)/' -e "s/@date@/$$(LC_ALL=C date -u -r CHANGELOG.md '+%a %b %d %Y')/" \
		packaging/rpm/lastline.spec.in >$(BUILD)/lastline.spec
	packaging/changes | sed 's/%/%%/g' >>$(BUILD)/lastline.spec
	sed 's/@version@/$(VERSION)/' packaging/arch/PKGBUILD.in >$(BUILD)/PKGBUILD

.PHONY: clean
clean: ## remove everything that was built here
	rm -rf $(BUILD)

.PHONY: clean-cache
clean-cache: ## remove the kernels, images and root file systems that all checkouts share
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/lastline"
