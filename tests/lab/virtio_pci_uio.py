#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# lab: --device virtio-net,netdev=hub:0,driver=uio_pci_generic,disable-modern=on
# lab: --device virtio-net,netdev=hub:0,driver=uio_pci_generic,disable-modern=on,mrg_rxbuf=off
# lab: --device virtio-net,netdev=hub:1,driver=uio_pci_generic,packed=on
# lab: --device virtio-net,netdev=hub:1,driver=uio_pci_generic,disable-legacy=on
# lab-timeout: 300
"""Virtio devices on PCI by physical addresses, without an IOMMU: legacy and modern, split and packed."""
from virtio_pci_lab import DEVICES, frames_cross

from harness.runner import run

if __name__ == "__main__":
    run(("legacy", lambda workspace: frames_cross(
            workspace, DEVICES[0], DEVICES[1], ("legacy PCI", "legacy PCI"), "split, mergeable")),
        ("legacy_with_short_header", lambda workspace: frames_cross(
            workspace, DEVICES[1], DEVICES[0], ("legacy PCI", "legacy PCI"), "split\\r?$")),
        ("modern", lambda workspace: frames_cross(
            workspace, DEVICES[2], DEVICES[3], ("modern PCI", "modern PCI"), "packed, mergeable")))
