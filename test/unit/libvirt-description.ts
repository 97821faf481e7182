export const DISK = `<disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/var/lib/libvirt/images/debian &amp; co.qcow2'/>
      <target dev='sda' bus='sata'/>
    </disk>`;
export const CARD = `<interface type='network'>
      <mac address='52:54:00:AB:cd:ef'/>
      <source network='default'/>
      <model type='e1000e'/>
    </interface>`;
const CPU = "<cpu mode='custom' match='exact' check='none'><model fallback='forbid'>Westmere</model></cpu>";

export interface Parts {
  readonly domain?: string;
  readonly os?: string;
  readonly cpu?: string;
  readonly disk?: string;
  readonly card?: string;
  readonly devices?: string;
  readonly more?: string;
}

/** As virsh prints one of virt-manager's machines. */
export function description(parts: Parts = {}): string {
  return `<domain type='kvm' id='3'${parts.domain ?? ""}>
  <name>debian12</name>
  <uuid>0c8a2bd4-6b8e-4a1b-bb0e-2b9c6b1c2e11</uuid>
  <metadata><libosinfo:libosinfo xmlns:libosinfo="http://libosinfo.org/xmlns/libvirt/domain/1.0"/></metadata>
  <memory unit='KiB'>2097152</memory>
  <currentMemory unit='KiB'>1048576</currentMemory>
  <vcpu placement='static' current='2'>4</vcpu>
  ${parts.os ?? "<os><type arch='x86_64' machine='pc-q35-7.2'>hvm</type><boot dev='hd'/></os>"}
  <features><acpi/><apic/><vmport state='off'/></features>
  ${parts.cpu ?? CPU}
  <clock offset='localtime'/>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    ${parts.disk ?? DISK}
    <disk type='file' device='cdrom'><target dev='sdb' bus='sata'/><readonly/></disk>
    <controller type='usb' index='0' model='qemu-xhci' ports='15'/>
    ${parts.card ?? CARD}
    <graphics type='spice' autoport='yes'/>
    <sound model='ich9'/>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    ${parts.devices ?? ""}
  </devices>
  ${parts.more ?? ""}
</domain>
`;
}
