//! Signatures beside what they sign (CMS, RFC 5652), as pass files have them.

use ::cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use application::identity::CryptoError;
use aws_lc_rs::digest::{SHA256, digest};
use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec, UtcTime};
use der::{Decode, Encode};
use domain::Timestamp;
use secrecy::SecretSlice;
use std::time::Duration;
use x509_cert::Certificate;
use x509_cert::attr::{Attribute, Attributes};
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::key;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_TIME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.5");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// The signature of a message in DER, with the certificate of the key and the one that has signed that.
pub(crate) fn signature(
    message: &[u8],
    key: &SecretSlice<u8>,
    (certificate, intermediate): (&[u8], &[u8]),
    at: Timestamp,
) -> Result<Vec<u8>, CryptoError> {
    let attributes = attributes(message, at).map_err(|_| DEFECT)?;
    // What is signed is the set of attributes as a set of its own (RFC 5652, 5.4).
    let signature = key::sign(key, &attributes.to_der().map_err(|_| DEFECT)?)?;
    signed((certificate, intermediate), attributes, signature).map_err(|_| DEFECT)
}

const DEFECT: CryptoError = CryptoError("the signature of a pass cannot be written");

fn attributes(message: &[u8], at: Timestamp) -> der::Result<Attributes> {
    let seconds = Duration::from_secs(u64::try_from(at.timestamp()).unwrap_or_default());
    let digest = OctetString::new(digest(&SHA256, message).as_ref())?;
    SetOfVec::try_from(vec![
        attribute(CONTENT_TYPE, &DATA)?,
        attribute(SIGNING_TIME, &UtcTime::from_unix_duration(seconds)?)?,
        attribute(MESSAGE_DIGEST, &digest)?,
    ])
}

fn attribute(oid: ObjectIdentifier, value: &impl Encode) -> der::Result<Attribute> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![Any::from_der(&value.to_der()?)?])? })
}

fn signed(
    (certificate, intermediate): (&[u8], &[u8]),
    attributes: Attributes,
    signature: Vec<u8>,
) -> der::Result<Vec<u8>> {
    let (certificate, intermediate) = (Certificate::from_der(certificate)?, Certificate::from_der(intermediate)?);
    let sha_256 = AlgorithmIdentifierOwned { oid: SHA_256, parameters: None };
    let rsa = AlgorithmIdentifierOwned { oid: RSA, parameters: Some(Any::null()) };
    let signer = SignerInfo {
        version: CmsVersion::V1,
        sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
            issuer: certificate.tbs_certificate.issuer.clone(),
            serial_number: certificate.tbs_certificate.serial_number.clone(),
        }),
        digest_alg: sha_256.clone(),
        signed_attrs: Some(attributes),
        signature_algorithm: rsa,
        signature: OctetString::new(signature)?,
        unsigned_attrs: None,
    };
    let certificates = [certificate, intermediate].map(CertificateChoices::Certificate).to_vec();
    let signed = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::try_from(vec![sha_256])?,
        // What is signed stands beside it.
        encap_content_info: EncapsulatedContentInfo { econtent_type: DATA, econtent: None },
        certificates: Some(CertificateSet::try_from(certificates)?),
        crls: None,
        signer_infos: SignerInfos::try_from(vec![signer])?,
    };
    ContentInfo { content_type: SIGNED_DATA, content: Any::from_der(&signed.to_der()?)? }.to_der()
}
