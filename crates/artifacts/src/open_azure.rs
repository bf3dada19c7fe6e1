//! Azure: which account, at which endpoint, with which credentials.

use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder, split_sas};

use crate::environment::Secrets;
use crate::{Error, Result, cloud_http};

/// The account and key that Azurite has from the start; Microsoft publishes them.
const EMULATOR: &str = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;\
    AccountKey=Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;\
    BlobEndpoint=http://127.0.0.1:10000/devstoreaccount1";

/// What a connection string says.
#[derive(Default, PartialEq, Eq)]
struct Connection {
    account: Option<String>,
    key: Option<String>,
    sas: Option<String>,
    endpoint: Option<String>,
}

/// As in MLflow a connection string comes first and overrides the account of the URI, then the account key. Then comes what
/// Azure's own libraries look for: a service principal, the workload's identity, the machine's.
pub(crate) fn open(
    container: &str,
    account: &str,
    suffix: &str,
    secrets: &mut Secrets<'_>,
) -> Result<MicrosoftAzure> {
    let mut connection = match secrets.secret("AZURE_STORAGE_CONNECTION_STRING")? {
        Some(text) => parse(&text, suffix)?,
        None => Connection::default(),
    };
    if connection == Connection::default() {
        connection.key = secrets.secret("AZURE_STORAGE_ACCESS_KEY")?;
        connection.sas = secrets.secret("AZURE_STORAGE_SAS_TOKEN")?;
    }
    let account = connection.account.as_deref().unwrap_or(account);
    let endpoint = connection
        .endpoint
        .or_else(|| secrets.first(&["AZURE_STORAGE_BLOB_ENDPOINT", "AZURE_STORAGE_ENDPOINT"]))
        .unwrap_or_else(|| format!("https://{account}.{suffix}"));
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        .with_allow_http(endpoint.starts_with("http://"))
        .with_endpoint(endpoint.trim_end_matches('/').to_owned())
        .with_retry(cloud_http::retries())
        .with_http_connector(cloud_http::connector()?);
    if let Some(host) = secrets.var("AZURE_AUTHORITY_HOST") {
        builder = builder.with_authority_host(host);
    }
    let (client, tenant) = (secrets.var("AZURE_CLIENT_ID"), secrets.var("AZURE_TENANT_ID"));
    builder = if let Some(key) = connection.key {
        builder.with_access_key(key)
    } else if let Some(sas) = connection.sas {
        builder.with_sas_authorization(split_sas(&sas).map_err(|_| unusable("SAS token"))?)
    } else if let (Some(client), Some(tenant), Some(secret)) =
        (&client, &tenant, secrets.secret("AZURE_CLIENT_SECRET")?)
    {
        builder.with_client_secret_authorization(client, secret, tenant)
    } else if let (Some(client), Some(tenant), Some(file)) =
        (&client, &tenant, secrets.var("AZURE_FEDERATED_TOKEN_FILE"))
    {
        builder.with_client_id(client).with_tenant_id(tenant).with_federated_token_file(file)
    } else {
        let builder = match secrets.var("IDENTITY_ENDPOINT") {
            Some(endpoint) => builder.with_msi_endpoint(endpoint),
            None => builder,
        };
        match client {
            Some(client) => builder.with_client_id(client),
            None => builder,
        }
    };
    // What the library says here may quote the key.
    builder.build().map_err(|_| unusable("account key"))
}

fn unusable(what: &str) -> Error {
    Error::Settings(format!(
        "The {what} of the Azure storage account is not one: it cannot be decoded. Copy it again from the Azure portal."
    ))
}

/// `suffix` is the endpoint's where the string names none.
fn parse(text: &str, suffix: &str) -> Result<Connection> {
    let text = if is_emulator(text) { EMULATOR } else { text };
    let (mut connection, mut protocol, mut own_suffix) = (Connection::default(), None, None);
    for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let Some((name, value)) = part.split_once('=') else { return Err(no_connection()) };
        let value = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
        match name.trim().to_ascii_lowercase().as_str() {
            "accountname" => connection.account = value,
            "accountkey" => connection.key = value,
            "sharedaccesssignature" => connection.sas = value,
            "blobendpoint" => connection.endpoint = value,
            "defaultendpointsprotocol" => protocol = value,
            "endpointsuffix" => own_suffix = value,
            _ => {}
        }
    }
    if connection.key.is_none() && connection.sas.is_none() {
        return Err(no_connection());
    }
    if connection.endpoint.is_none() {
        let Some(account) = &connection.account else { return Err(no_connection()) };
        let suffix = own_suffix.map_or_else(|| suffix.to_owned(), |own| format!("blob.{own}"));
        connection.endpoint =
            Some(format!("{}://{account}.{suffix}", protocol.as_deref().unwrap_or("https")));
    }
    if connection.account.is_none() {
        // A SAS comes with an endpoint alone.
        let host = connection.endpoint.as_deref().and_then(|url| url.split_once("://"));
        connection.account = host.and_then(|(_, host)| host.split('.').next()).map(str::to_owned);
    }
    Ok(connection)
}

fn is_emulator(text: &str) -> bool {
    text.trim().trim_end_matches(';').eq_ignore_ascii_case("UseDevelopmentStorage=true")
}

fn no_connection() -> Error {
    Error::Settings(
        "AZURE_STORAGE_CONNECTION_STRING is no connection string: it needs AccountName and AccountKey, or BlobEndpoint and \
         SharedAccessSignature. Copy it again from the Azure portal."
            .into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<[Option<String>; 4]> {
        let found = parse(text, "blob.core.windows.net").ok()?;
        Some([found.account, found.key, found.sas, found.endpoint])
    }

    fn found(parts: [&str; 4]) -> Option<[Option<String>; 4]> {
        Some(parts.map(|part| Some(part.to_owned()).filter(|part| !part.is_empty())))
    }

    #[test]
    fn connection_strings_are_read() {
        let portal = "DefaultEndpointsProtocol=https;AccountName=acc;AccountKey=a2V5==;EndpointSuffix=core.windows.net";
        assert_eq!(read(portal), found(["acc", "a2V5==", "", "https://acc.blob.core.windows.net"]));
        let china = " accountname = acc ;ACCOUNTKEY=a2V5;EndpointSuffix=core.chinacloudapi.cn;";
        assert_eq!(read(china), found(["acc", "a2V5", "", "https://acc.blob.core.chinacloudapi.cn"]));
        let sas = "BlobEndpoint=https://acc.blob.core.windows.net/;SharedAccessSignature=sv=1&sig=a%3D";
        assert_eq!(read(sas), found(["acc", "", "sv=1&sig=a%3D", "https://acc.blob.core.windows.net/"]));
        let emulator = read("UseDevelopmentStorage=true;").unwrap();
        assert_eq!(emulator[3].as_deref(), Some("http://127.0.0.1:10000/devstoreaccount1"));
    }

    #[test]
    fn what_is_no_connection_string_is_refused_without_showing_it() {
        for text in ["secret", "AccountName=secret", "AccountKey=secret", "BlobEndpoint=https://secret"] {
            let Err(error) = parse(text, "blob.core.windows.net") else { panic!("took {text}") };
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
