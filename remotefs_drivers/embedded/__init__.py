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

"""A whole Cinder in one process, and a Glance beside it, for trying out.

For demonstrations, tests and benchmarks; production code never imports it.
Nothing is faked but the message broker, the identity service and, where it
is wanted, Nova: API, scheduler, volume services and drivers are the stock
ones, on SQLite.

    cloud.Cloud     start, stop, kill and restart; the clients; waiting
      spec          what a cloud should be (frozen)
      config        spec -> text of the configuration files (pure)
      installed     the files that come with Cinder
      ports         free ports that stay the same over restarts
      process       a child that dies with us (lifeline), with its log
      digest        what a log says besides that all is well (pure)
      clients       the clients of the APIs, and waiting for volumes
      waiting       until a resource is in a state, with a good error if not
      attachment    a volume attached here by the attachments API
    gluster         a real GlusterFS: glusterd, bricks, volumes
      network       a network namespace for it
      mounts        what is mounted below a folder
      keeper        takes mounts down when everybody else is dead
    folders/        an NFS appliance, of folders
    rest            the same behind the HTTP API of appliances, in a process
      rest_server   that process, the reference for vendors
      rest_desk     requests to answers, without sockets
    box             another host, as far as an NFS appliance needs to be one
      sshd          its SSH server, with keys and a user
      zfs, btrfs    a real ZFS pool in it, or a real btrfs
      exportfs.sh   what stands in for the NFS server
    certificates    an authority of our own, and what it vouches for
    hypervisor/     guests that have volumes open, behind an API like Nova's

    In the child, never imported by the above:
      service       starts and stops the services of Cinder
        transport   fake:/ with messages as JSON
        identity    the service id of each thread
        database    one user of SQLite at a time
        rights      no sudo, no daemons
        native      Cinder 29 with native threads
        api         the HTTP server
      glance_server   the process of Glance
"""
