//! A PostgreSQL address taken apart into libpq's parameters, as leniently as SQLAlchemy and libpq together.

use percent_encoding::percent_decode_str;

/// The parameters of libpq that an address may have.
pub(super) const KNOWN: [&str; 28] = [
    "user",
    "password",
    "passfile",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "fallback_application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "target_session_attrs",
    "load_balance_hosts",
    "channel_binding",
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "sslnegotiation",
    // These change nothing here: the encoding is UTF-8, and there is neither GSSAPI nor compression.
    "client_encoding",
    "gssencmode",
    "sslcompression",
];

/// Those of libpq's that there is nothing for here.
const REFUSED: [(&str, &str); 11] = [
    ("service", "services are not supported; write host, user and database"),
    ("servicefile", "services are not supported; write host, user and database"),
    (
        "sslpassword",
        "keys with a passphrase are not supported; write the key without one: openssl pkey -in KEY -out FILE",
    ),
    (
        "sslcrldir",
        "folders of revoked certificates are not supported; put the lists into one file, for sslcrl",
    ),
    ("sslcertmode", "sslcertmode is not supported; leave sslcert out where no certificate is to be sent"),
    ("sslsni", "sslsni is not supported; leave it out"),
    ("ssl_min_protocol_version", "TLS is 1.2 or newer; leave ssl_min_protocol_version out"),
    ("ssl_max_protocol_version", "TLS is 1.2 or newer; leave ssl_max_protocol_version out"),
    ("require_auth", "require_auth is not supported; channel_binding=require insists on SCRAM"),
    ("requirepeer", "requirepeer is not supported; leave it out"),
    ("krbsrvname", "Kerberos is not supported; use a password or a certificate"),
];

/// Names and values in the order of the address. Several hosts are one value with commas.
pub(super) type Parameters = Vec<(String, String)>;

/// Takes apart what follows `postgresql://`.
///
/// The query begins at the first question mark before a parameter of [`KNOWN`], and the name and password end at the last `@`
/// before it, so that any character may stand in a password as it is.
///
/// # Errors
/// What is wrong, without any part of the address but the names of parameters.
pub(super) fn split(rest: &str) -> Result<Parameters, String> {
    let query = rest.match_indices('?').map(|(at, _)| at).find(|at| begins_query(&rest[at + 1..]));
    let (head, query) = query.map_or((rest, ""), |at| (&rest[..at], &rest[at + 1..]));
    let mut found = Parameters::new();
    let mut add = |name: &str, value: String| {
        if !value.is_empty() {
            found.push((name.to_owned(), value));
        }
    };
    let place = match head.rsplit_once('@') {
        Some((credentials, place)) => {
            let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
            add("user", decode(user)?);
            add("password", decode(password)?);
            place
        }
        None => head,
    };
    let (place, unknown) = place.split_once('?').unwrap_or((place, ""));
    if let Some((name, _)) = unknown.split_once('=') {
        return Err(unknown_parameter(name));
    }
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    let (hosts, ports) = hosts_and_ports(hosts.split(','))?;
    add("host", decode(&hosts)?);
    add("port", ports);
    add("dbname", decode(database)?);
    // SQLAlchemy takes several hosts as `?host=a:1&host=b:2`, libpq as `?host=a,b&port=1,2`.
    let mut query_hosts = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').ok_or("a connection parameter has no value")?;
        // A plus is a space, as in SQLAlchemy.
        let value = decode(&value.replace('+', " "))?;
        match name {
            "host" => query_hosts.extend(value.split(',').map(str::to_owned)),
            "ssl" => add("sslmode", if value == "true" { "require".into() } else { value }),
            name if KNOWN.contains(&name) => add(name, value),
            name => {
                let reason = REFUSED.iter().find(|(refused, _)| *refused == name);
                return Err(
                    reason.map_or_else(|| unknown_parameter(name), |(_, reason)| (*reason).to_owned())
                );
            }
        }
    }
    if !query_hosts.is_empty() {
        let (hosts, ports) = hosts_and_ports(query_hosts.iter().map(String::as_str))?;
        add("host", hosts);
        add("port", ports);
    }
    // The last one counts, as in libpq.
    found.reverse();
    Ok(found)
}

fn begins_query(text: &str) -> bool {
    let name = text.split('=').next().unwrap_or_default();
    let is_refused = REFUSED.iter().any(|(refused, _)| *refused == name);
    text.is_empty() || text.contains('=') && (name == "ssl" || is_refused || KNOWN.contains(&name))
}

/// `a:1,[::1]:2` as `a,::1` and `1,2`; ports are left out when no host has one.
fn hosts_and_ports<'a>(places: impl Iterator<Item = &'a str>) -> Result<(String, String), String> {
    let mut hosts = Vec::new();
    let mut ports = Vec::new();
    for place in places {
        let (host, port) = match place.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) =
                    bracketed.split_once(']').ok_or("an IPv6 address has no closing bracket")?;
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None if place.starts_with('/') || place.matches(':').count() > 1 => (place, ""),
            None => place.split_once(':').unwrap_or((place, "")),
        };
        if !port.bytes().all(|b| b.is_ascii_digit()) {
            // Not repeated: it may be a part of a password.
            return Err(
                "the port is no number; an address looks like postgresql://USER:PASSWORD@HOST:5432/DATABASE"
                    .into(),
            );
        }
        hosts.push(host);
        ports.push(port);
    }
    let ports = if ports.iter().all(|port| port.is_empty()) { String::new() } else { ports.join(",") };
    Ok((hosts.join(","), ports))
}

/// Percent signs that encode nothing stay as they are, as in SQLAlchemy.
fn decode(text: &str) -> Result<String, String> {
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "the address is not UTF-8")?;
    if decoded.contains('\0') {
        return Err("an address has no NUL".into());
    }
    Ok(decoded.into_owned())
}

/// Names what was probably meant, not what was written: that may be a part of a password.
fn unknown_parameter(name: &str) -> String {
    let alike = |known: &str| known.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count();
    let meant = KNOWN.iter().rev().max_by_key(|known| alike(known)).filter(|known| alike(known) >= 3);
    let question = meant.map(|known| format!("; is {known} meant?")).unwrap_or_default();
    format!("the address has a parameter that libpq does not have{question}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_taken_apart() {
        for (rest, expected) in [
            ("", ""),
            ("/", ""),
            ("h", "host=h"),
            ("u@h/d", "user=u, host=h, dbname=d"),
            ("u:p@h:5433/d", "user=u, password=p, host=h, port=5433, dbname=d"),
            ("u:p%40%2F%25@h/d", "user=u, password=p@/%, host=h, dbname=d"),
            ("u:p@ss/w?rd#1:x%@h/d", "user=u, password=p@ss/w?rd#1:x%, host=h, dbname=d"),
            ("u:a&b=c+d@h/d?sslmode=require", "user=u, password=a&b=c+d, host=h, dbname=d, sslmode=require"),
            ("u:@h/d", "user=u, host=h, dbname=d"),
            ("me@corp:pw@h/d", "user=me@corp, password=pw, host=h, dbname=d"),
            ("a:1,b:2/d", "host=a,b, port=1,2, dbname=d"),
            ("a,b:2/d", "host=a,b, port=,2, dbname=d"),
            ("[::1]:5433,[fd00::2]/d", "host=::1,fd00::2, port=5433,, dbname=d"),
            ("%2Fvar%2Frun%2Fpostgresql/d", "host=/var/run/postgresql, dbname=d"),
            (
                "u@/d?host=/var/run/postgresql&port=5433",
                "user=u, dbname=d, host=/var/run/postgresql, port=5433",
            ),
            ("/d?host=a:1&host=b:2", "dbname=d, host=a,b, port=1,2"),
            ("/d?host=a,b&port=1,2", "dbname=d, host=a,b, port=1,2"),
            ("h/d?options=-csearch_path%3Dml,public", "host=h, dbname=d, options=-csearch_path=ml,public"),
            ("h/d?options=-c+search_path%3Dml", "host=h, dbname=d, options=-c search_path=ml"),
            ("h?application_name=me@x&connect_timeout=3", "host=h, application_name=me@x, connect_timeout=3"),
            ("h/d?user=u&password=p", "host=h, dbname=d, user=u, password=p"),
            ("h/d?ssl=true", "host=h, dbname=d, sslmode=require"),
            ("h/d?sslcert=/a.crt&sslkey=/a.key", "host=h, dbname=d, sslcert=/a.crt, sslkey=/a.key"),
        ] {
            let mut found = split(rest).unwrap_or_else(|e| panic!("{rest}: {e}"));
            found.reverse();
            let found: Vec<_> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let mut found: Vec<_> = found.iter().map(String::as_str).collect();
            let mut expected: Vec<_> = expected.split_terminator(", ").collect();
            found.sort_unstable();
            expected.sort_unstable();
            assert_eq!(found, expected, "{rest}");
        }
    }

    #[test]
    fn mistakes_are_named_without_values() {
        for (rest, word) in [
            ("u:geheim@h:geheim/d", "port"),
            ("u:geheim/d", "port"),
            ("u:geheim@[::1/d", "bracket"),
            ("u:geheim@h/d?sslmod=geheim", "sslmode"),
            ("u:geheim@h/d?sslpassword=geheim", "passphrase"),
            ("u:geheim@h/d?sslmode=require&service=geheim", "services"),
            ("u:geheim@h/d?sslmode=require&geheim=x", "does not have"),
            ("u:geheim%00@h/d", "NUL"),
            ("u:geheim%ff@h/d", "UTF-8"),
        ] {
            let error = split(rest).unwrap_err();
            assert!(error.contains(word) && !error.to_lowercase().contains("geheim"), "{rest}: {error}");
        }
    }
}
