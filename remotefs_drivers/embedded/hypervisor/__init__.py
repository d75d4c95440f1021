#    Licensed under the Apache License, Version 2.0 (the "License"); you may
#    not use this file except in compliance with the License. You may obtain
#    a copy of the License at
#
#         http://www.apache.org/licenses/LICENSE-2.0
#
#    Unless required by applicable law or agreed to in writing, software
#    distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
#    WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
#    License for the specific language governing permissions and limitations
#    under the License.

"""A hypervisor beside a cloud: guests, and Nova's answers to Cinder.

The guests are QEMU's own block layer, so files are opened, locked, merged
and damaged as they are in production; only the machine around it is missing.
Who writes to such a disk can tell later what it must hold.

    compute.Compute   Nova: attach, detach, reboot; what Cinder's option group
                      [nova] must say
      api             requests and answers, as Nova's API has them
        validation    what Cinder may ask for (pure)
        keystone      a token for everybody
        server        HTTP, in threads of this process
      assisted        snapshots that Cinder asks for; how else it may go is
                      for tests
      servers         servers, and the disks that they have
      offline         files of servers that are off
      cinder          what is asked of Cinder
    guest.Guest       a disk that is open in QEMU: snapshot, commit, stream
      layers          the files of the disk
      jobs            merges, which take their time
      daemon          the process
        monitor       its control socket
    writer.Writer     writes to a disk all the time
      journal         what it wrote, and whether it is there
      nbd             a guest's disk for Python code
"""
