//! A certificate authority of a test, and what it certifies; made anew for each, and gone with it.

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber, date_time_ymd,
};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// An authority whose files lie in a temporary folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate and its key.
pub struct Holder {
    /// PEM file.
    pub certificate: PathBuf,
    /// PEM file.
    pub key: PathBuf,
    /// `sha256:...`.
    pub fingerprint: String,
    /// Serial number.
    pub serial: Vec<u8>,
}

impl Authority {
    /// A new one, trusted by nobody yet.
    pub fn new(name: &str) -> Self {
        let mut params = named(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("authority.pem"), issuer.pem()).expect("a file");
        Self { issuer, folder }
    }

    /// PEM file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// Writes its list of revoked certificates, to be replaced before a day; gives the PEM file, the same each time.
    pub fn revoke(&self, revoked: &[&Holder], (year, month, day): (i32, u8, u8)) -> PathBuf {
        let of = |holder: &&Holder| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&holder.serial),
            revocation_time: date_time_ymd(2025, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2025, 1, 1),
            next_update: date_time_ymd(year, month, day),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(of).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        let list = list.signed_by(&self.issuer).expect("a list");
        let file = self.folder.path().join("revoked.pem");
        std::fs::write(&file, list.pem().expect("a PEM")).expect("a file");
        file
    }

    /// Certifies somebody at 127.0.0.1, until 2099.
    pub fn certify(&self, name: &str) -> Holder {
        self.certify_until(name, (2099, 1, 1))
    }

    /// Certifies somebody at 127.0.0.1 until a day. Files of the same name are replaced.
    pub fn certify_until(&self, name: &str, (year, month, day): (i32, u8, u8)) -> Holder {
        let mut params = named(name);
        params.not_after = date_time_ymd(year, month, day);
        let serial = Sha256::digest(name)[..8].to_vec();
        // A positive number.
        let serial = [&[1], serial.as_slice()].concat();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |ending: &str| self.folder.path().join(format!("{name}.{ending}"));
        let holder = Holder {
            certificate: file("pem"),
            key: file("key"),
            serial,
            fingerprint: format!("sha256:{:x}", Sha256::digest(certificate.der())),
        };
        std::fs::write(&holder.certificate, certificate.pem()).expect("a file");
        std::fs::write(&holder.key, key.serialize_pem()).expect("a file");
        holder
    }
}

fn named(name: &str) -> CertificateParams {
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}
