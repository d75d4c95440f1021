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

"""An authority of our own, and a certificate that it vouches for.

For servers that are tried out on this machine.
"""

import datetime
import ipaddress

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization
from cryptography import x509
from cryptography.x509.oid import NameOID

from remotefs_drivers.store import files

_DAYS = 30


def make(ca_path, certificate_path, key_path, addresses):
    """Write them, in PEM. The authority's own key is not kept.

    :param addresses: of the server; names or numbers
    """
    ca_key, key = (ec.generate_private_key(ec.SECP256R1())
                   for __ in range(2))
    issuer = _name('an authority for trying things out')
    ca = _sign(issuer, issuer, ca_key, ca_key,
               (x509.BasicConstraints(ca=True, path_length=0), True),
               (_ca_usage(), True),
               (x509.SubjectKeyIdentifier.from_public_key(
                   ca_key.public_key()), False))
    certificate = _sign(
        _name('a server for trying things out'), issuer, key, ca_key,
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.SubjectAlternativeName(list(map(_address, addresses))), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(
            ca_key.public_key()), False))
    files.write_atomic(ca_path, _pem(ca), 0o644)
    files.write_atomic(key_path, key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()), 0o600)
    files.write_atomic(certificate_path, _pem(certificate), 0o644)


def _sign(subject, issuer, key, issuer_key, *extensions):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = (x509.CertificateBuilder()
               .subject_name(subject)
               .issuer_name(issuer)
               .public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1))
               .not_valid_after(now + datetime.timedelta(days=_DAYS)))
    for extension, is_critical in extensions:
        builder = builder.add_extension(extension, critical=is_critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _ca_usage():
    """It signs certificates, and nothing else."""
    return x509.KeyUsage(
        digital_signature=False, content_commitment=False,
        key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True,
        encipher_only=False, decipher_only=False)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _address(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)
