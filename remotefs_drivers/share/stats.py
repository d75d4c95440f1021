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

"""What a backend tells the scheduler. Pure.

provisioned_capacity_gb is left out: Cinder then takes the sum of the sizes
that it has given out, which no walk over the files can know better.
"""

from remotefs_drivers.share import capacity


def backend(settings, capacities, features, identity):
    """The stats of a backend.

    :param capacities: Share -> Capacity, or the error that says why not
    :param features: what each pool can do
    :param identity: vendor_name, driver_version, storage_protocol and the
                     two scheduler functions
    """
    data = dict(identity, volume_backend_name=settings.backend_name)
    data.update(features)
    if settings.pool_per_share:
        data['pools'] = [pool(settings, share.location, [answer],
                              dict(features, **_functions(identity)))
                         for share, answer in capacities.items()]
    else:
        data.update(pool(settings, settings.backend_name,
                         capacities.values(), features))
    return data


def pool(settings, name, answers, features):
    """A pool; one without any answer has no room and no volumes to take.

    :param answers: capacity.Capacity, or errors, that it is made of
    """
    known = [answer for answer in answers
             if isinstance(answer, capacity.Capacity)]
    thin = not settings.thick
    return dict(
        features,
        pool_name=name,
        total_capacity_gb=capacity.gib(sum(one.total for one in known)),
        free_capacity_gb=capacity.gib(sum(one.free for one in known)),
        reserved_percentage=settings.reserved_percentage,
        max_over_subscription_ratio=settings.over_subscription,
        thin_provisioning_support=thin,
        thick_provisioning_support=not thin)


def _functions(identity):
    return {name: identity[name]
            for name in ('filter_function', 'goodness_function')}
