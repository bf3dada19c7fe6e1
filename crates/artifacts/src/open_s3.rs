//! S3: at which endpoint, in which region, with which credentials.

use std::collections::HashMap;
use std::path::PathBuf;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey as Key};

use crate::environment::Secrets;
use crate::{Error, Result, cloud_http};

/// Credentials in the order of AWS's own libraries: keys in the environment, the web identity of a pod, the profile's keys, the
/// task's or pod's, the machine's.
pub(crate) fn open(bucket: &str, secrets: &mut Secrets<'_>) -> Result<AmazonS3> {
    let profile = profile(secrets);
    let region = secrets
        .first(&["AWS_REGION", "AWS_DEFAULT_REGION"])
        .or_else(|| profile.get("region").cloned())
        .unwrap_or_else(|| "us-east-1".to_owned());
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_retry(cloud_http::retries())
        .with_http_connector(cloud_http::connector()?);
    let endpoint = secrets
        .first(&["MLFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
        .or_else(|| profile.get("endpoint_url").cloned());
    let style = secrets.var("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE").unwrap_or_default();
    builder = match endpoint.map(|url| url.trim_end_matches('/').to_owned()) {
        Some(url) => {
            let builder = builder.with_allow_http(url.starts_with("http://"));
            match (style.as_str(), url.split_once("://")) {
                ("virtual", Some((scheme, host))) => builder
                    .with_virtual_hosted_style_request(true)
                    .with_endpoint(format!("{scheme}://{bucket}.{host}")),
                _ => builder.with_endpoint(url),
            }
        }
        // The certificate of Amazon's names does not cover a bucket with a dot.
        None => builder.with_virtual_hosted_style_request(style != "path" && !bucket.contains('.')),
    };
    let key = secrets.secret("AWS_ACCESS_KEY_ID")?;
    if let (Some(id), Some(secret)) = (key, secrets.secret("AWS_SECRET_ACCESS_KEY")?) {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        if let Some(token) = secrets.secret("AWS_SESSION_TOKEN")? {
            builder = builder.with_token(token);
        }
    } else if let (Some(file), Some(role)) =
        (secrets.var("AWS_WEB_IDENTITY_TOKEN_FILE"), secrets.var("AWS_ROLE_ARN"))
    {
        builder = builder.with_config(Key::WebIdentityTokenFile, file).with_config(Key::RoleArn, role);
        if let Some(name) = secrets.var("AWS_ROLE_SESSION_NAME") {
            builder = builder.with_config(Key::RoleSessionName, name);
        }
        if let Some(url) = secrets.var("AWS_ENDPOINT_URL_STS") {
            builder = builder.with_config(Key::StsEndpoint, url);
        }
    } else if let (Some(id), Some(secret)) =
        (profile.get("aws_access_key_id"), profile.get("aws_secret_access_key"))
    {
        builder = builder.with_access_key_id(id).with_secret_access_key(secret);
        if let Some(token) = profile.get("aws_session_token") {
            builder = builder.with_token(token);
        }
    } else {
        for (name, key) in [
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", Key::ContainerCredentialsRelativeUri),
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", Key::ContainerCredentialsFullUri),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Key::ContainerAuthorizationTokenFile),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", Key::MetadataEndpoint),
        ] {
            if let Some(value) = secrets.var(name) {
                builder = builder.with_config(key, value);
            }
        }
    }
    builder.build().map_err(|_| {
        Error::Settings(
            "The settings of S3 cannot be used. Check AWS_ENDPOINT_URL and the credentials of AWS.".into(),
        )
    })
}

/// What the files of AWS's tools say of the chosen profile; the file of credentials wins.
fn profile(secrets: &mut Secrets<'_>) -> HashMap<String, String> {
    let name = secrets.first(&["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]).unwrap_or_else(|| "default".into());
    let home = secrets.var("HOME").map(PathBuf::from);
    let mut found = HashMap::new();
    for (variable, file) in [("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")] {
        let named = secrets.var(variable).map(PathBuf::from);
        let Some(path) = named.or_else(|| Some(home.as_ref()?.join(".aws").join(file))) else { continue };
        if let Ok(text) = secrets.read(&path) {
            found.extend(section(&text, &name));
        }
    }
    found
}

/// The lines of `[name]`, or `[profile name]`.
fn section<'a>(text: &'a str, name: &str) -> impl Iterator<Item = (String, String)> + use<'a> {
    let (plain, long) = (format!("[{name}]"), format!("[profile {name}]"));
    let of_section = text.lines().map(str::trim).skip_while(move |line| **line != plain && **line != long);
    let lines = of_section.skip(1).take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.starts_with(['#', ';'])).filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        Some((key.trim().to_ascii_lowercase(), value.trim().to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn profiles_are_read_from_both_files() {
        let dir = tempfile::tempdir().unwrap();
        let aws = dir.path().join(".aws");
        std::fs::create_dir(&aws).unwrap();
        let config = "[default]\nregion = eu-west-1\n[profile ml]\n# no = comment\nregion=eu-north-1\n";
        let credentials =
            "[ml]\naws_access_key_id = AKIA\naws_secret_access_key=a/b=\n[other]\naws_session_token = x\n";
        std::fs::write(aws.join("config"), config).unwrap();
        std::fs::write(aws.join("credentials"), credentials).unwrap();
        let home = dir.path().to_str().unwrap().to_owned();
        let environment = Environment::new(move |name| match name {
            "HOME" => Some(home.clone()),
            "AWS_PROFILE" => Some("ml".into()),
            _ => None,
        });
        let mut secrets = Secrets::new(&environment);
        let found = profile(&mut secrets);
        assert_eq!(found.get("region").map(String::as_str), Some("eu-north-1"));
        assert_eq!(found.get("aws_secret_access_key").map(String::as_str), Some("a/b="));
        assert_eq!(found.get("aws_session_token"), None);
        assert_eq!(secrets.files.len(), 2);
    }
}
