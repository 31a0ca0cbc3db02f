# SPDX-License-Identifier: GPL-2.0-only
# Looks for features in the kernel's headers and defines macros for compat.h. Distributions,
# RHEL above all, backport these features, so the kernel version does not show them.

# $(call compat-has,NAME,HEADER,PATTERN)
compat-has = $(shell grep -qs '$(3)' $(srctree)/include/linux/$(2) && echo -DCOMPAT_HAS_$(1))

compat-flags := \
	$(call compat-has,UNALIGNED_H,unaligned.h,.) \
	$(call compat-has,INSTRUMENT_BEFORE,instrumented.h,instrument_copy_from_user_before) \
	$(call compat-has,DEVNODE_CONST,device.h,[*]devnode..const struct device) \
	$(call compat-has,UEVENT_CONST,device.h,[*]uevent..const struct device) \
	$(call compat-has,VM_FLAGS_CLEAR,mm.h,vm_flags_clear) \
	$(call compat-has,CLASS_WITHOUT_OWNER,device/class.h,class_create.const char)
