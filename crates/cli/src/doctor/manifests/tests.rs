//! Each trap in manifests of its own, as small as can be, and what is said where nothing is wrong.

use super::*;

fn findings(text: &str) -> Vec<Finding> {
    let mut manifests = Manifests::default();
    manifests.add(text, "ml").unwrap();
    judge(&manifests)
}

/// The one finding of a check, which is no other than that.
fn found(check: &str, text: &str) -> Finding {
    let mut of_check: Vec<_> = findings(text).into_iter().filter(|finding| finding.check == check).collect();
    assert_eq!(of_check.len(), 1, "{check}: {of_check:#?}");
    of_check.remove(0)
}

#[track_caller]
fn expect(check: &str, verdict: Verdict, words: &str, text: &str) {
    let finding = found(check, text);
    assert_eq!(finding.verdict, verdict, "{finding:#?}");
    assert!(finding.detail.contains(words), "{finding:#?}");
    assert_eq!(finding.advice.is_some(), verdict != Verdict::Ok, "{finding:#?}");
}

#[track_caller]
fn fine(check: &str, text: &str) {
    expect(check, Verdict::Ok, "", text);
}

/// An Ingress with lines of annotations, which leads to the Service mlflow.
fn ingress(annotations: &[&str]) -> String {
    let annotations: String = annotations.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "---\nkind: Ingress\nmetadata:\n  name: mlflow\n  annotations:\n    a: b\n{annotations}\
         spec:\n  ingressClassName: nginx\n  rules:\n  - host: mlflow.example.com\n    http: {{paths: [{{path: /, backend: {{service: \
         {{name: mlflow, port: {{number: 80}}}}}}}}]}}\n  tls:\n  - {{secretName: wildcard-tls, hosts: [mlflow.example.com]}}\n"
    )
}

/// A Deployment with fields of its server's container, and of its pod.
fn deployment(image: &str, container: &str, pod: &str) -> String {
    format!(
        "---\nkind: Deployment\nmetadata: {{name: mlflow}}\nspec:\n  template:\n    metadata: {{labels: {{app: mlflow}}}}\n    \
         spec:\n      {pod}\n      containers:\n      - name: mlflow\n        image: {image}\n        {container}\n"
    )
}

const SERVICE: &str = "---\nkind: Service\nmetadata: {name: tracker}\nspec: {selector: {app: mlflow}}\n";
const SHIM: &str = "cert-manager.io/cluster-issuer: letsencrypt-prod";
const BASIC: [&str; 2] =
    ["nginx.ingress.kubernetes.io/auth-type: basic", "nginx.ingress.kubernetes.io/auth-secret: logins"];

fn certificate(name: &str, namespace: &str, extra: &str) -> String {
    format!(
        "---\nkind: Certificate\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n  secretName: wildcard-tls\n  \
         dnsNames: ['*.example.com', example.com]\n  issuerRef: {{name: letsencrypt-prod, kind: ClusterIssuer}}\n  {extra}\n"
    )
}

#[test]
fn the_shim_fights_with_a_certificate_from_elsewhere() {
    let annotated = ingress(&[SHIM]);
    let (here, there) = (certificate("wildcard", "ml", ""), certificate("wildcard", "platform", ""));
    expect(
        "certificate.shim",
        Verdict::Failure,
        "both make cert-manager write",
        &format!("{annotated}{here}"),
    );
    expect(
        "certificate.shim",
        Verdict::Failure,
        "Certificate platform/wildcard",
        &format!("{annotated}{there}"),
    );
    let secret = "---\nkind: Secret\nmetadata: {name: wildcard-tls}\ndata: {tls.crt: eA==}\n";
    expect("certificate.shim", Verdict::Failure, "among the manifests, too", &format!("{annotated}{secret}"));
    expect("certificate.shim", Verdict::Warning, "shared and made elsewhere", &annotated);
    fine("certificate.shim", &annotated.replace("wildcard-tls", "mlflow-tls"));
    fine("certificate.shim", &format!("{}{here}", ingress(&[])));
}

#[test]
fn a_certificate_must_lie_where_its_ingress_is() {
    let plain = ingress(&[]);
    expect("certificate.secret", Verdict::Notice, "not among the manifests", &plain);
    let there = certificate("wildcard", "platform", "");
    expect("certificate.secret", Verdict::Failure, "nobody copies it", &format!("{plain}{there}"));
    let reflector =
        "secretTemplate: {annotations: {reflector.v1.k8s.emberstack.com/reflection-allowed: 'true'}}";
    let copied = certificate("wildcard", "platform", reflector);
    expect("certificate.secret", Verdict::Notice, "reflector", &format!("{plain}{copied}"));
    fine("certificate.secret", &format!("{plain}{}", certificate("wildcard", "ml", "")));
    fine("certificate.secret", &ingress(&[SHIM]));
}

#[test]
fn a_certificate_must_be_for_its_hosts() {
    let of = certificate("wildcard", "ml", "");
    fine("certificate.names", &format!("{}{of}", ingress(&[])));
    let deep = ingress(&[]).replace("mlflow.example.com", "a.b.example.com");
    expect("certificate.names", Verdict::Failure, "a.b.example.com", &format!("{deep}{of}"));
}

#[test]
fn a_wildcard_needs_the_dns() {
    let issuer = |solver: &str| {
        format!(
            "---\nkind: ClusterIssuer\nmetadata: {{name: letsencrypt-prod}}\nspec: {{acme: {{solvers: [{{{solver}: {{}}}}]}}}}\n"
        )
    };
    let of = certificate("wildcard", "ml", "");
    expect("certificate.wildcard", Verdict::Failure, "dns01", &format!("{of}{}", issuer("http01")));
    fine("certificate.wildcard", &format!("{of}{}", issuer("dns01")));
    fine("certificate.wildcard", &of);
}

#[test]
fn nginx_limits_and_buffers() {
    let plain = ingress(&[]);
    expect("ingress.class", Verdict::Notice, "last release", &plain);
    expect("ingress.body-size", Verdict::Warning, "1 MiB", &plain);
    expect("ingress.buffering", Verdict::Notice, "disk", &plain);
    let told = ingress(&[
        "nginx.ingress.kubernetes.io/proxy-body-size: 0",
        "nginx.ingress.kubernetes.io/proxy-request-buffering: \"off\"",
    ]);
    fine("ingress.body-size", &told);
    fine("ingress.buffering", &told);
    expect(
        "ingress.body-size",
        Verdict::Notice,
        "64m",
        &ingress(&["nginx.ingress.kubernetes.io/proxy-body-size: 64m"]),
    );
    fine("ingress.body-size", &plain.replace("ingressClassName: nginx", "ingressClassName: traefik"));
}

#[test]
fn a_host_without_tls_is_told() {
    fine("ingress.tls", &ingress(&[]));
    let open = ingress(&[]).replace("hosts: [mlflow.example.com]", "hosts: [other.example.com]");
    expect("ingress.tls", Verdict::Warning, "mlflow.example.com", &open);
}

#[test]
fn the_logins_are_where_the_controller_reads_them() {
    let closed = ingress(&BASIC);
    expect("auth.secret", Verdict::Notice, "not among the manifests", &closed);
    let logins = |key: &str| {
        format!("{closed}---\nkind: Secret\nmetadata: {{name: logins}}\nstringData: {{{key}: 'a:$apr1$x'}}\n")
    };
    fine("auth.secret", &logins("auth"));
    expect("auth.secret", Verdict::Failure, "has no key auth", &logins("htpasswd"));
    let elsewhere = closed.replace("auth-secret: logins", "auth-secret: platform/logins");
    expect("auth.secret", Verdict::Failure, "another namespace", &elsewhere);
    expect("auth.secret", Verdict::Failure, "no auth-secret", &ingress(&BASIC[..1]));
    expect("auth.secret", Verdict::Failure, "no auth-type", &ingress(&BASIC[1..]));
}

#[test]
fn there_is_one_login() {
    expect("auth.open", Verdict::Warning, "nobody asks", &ingress(&[]));
    fine("auth.open", &ingress(&BASIC));
    let both = |container: &str| format!("{}{}", ingress(&BASIC), deployment("mlflow:3.7.0", container, ""));
    fine("auth.double", &both("args: [server]"));
    expect(
        "auth.double",
        Verdict::Failure,
        "everybody gets 401",
        &both("args: [server, --app-name=basic-auth]"),
    );
    let own = deployment("mlflow:3.7.0", "args: [server, --app-name, basic-auth]", "");
    fine("auth.open", &format!("{}{own}", ingress(&[])));
    let second = ingress(&[]).replace("name: mlflow\n", "name: second\n");
    expect("auth.bypass", Verdict::Warning, "Ingress ml/second", &format!("{}{second}", ingress(&BASIC)));
    fine("auth.bypass", &ingress(&BASIC));
}

#[test]
fn the_seeds_chart_of_today_drifts() {
    let init = "initContainers: [{name: mlflow-db-migration, image: 'burakince/mlflow:3.15.1'}]";
    let drifted = deployment("burakince/mlflow:3.7.0", "args: [server]", init);
    expect("images.drift", Verdict::Failure, "3.15.1 (mlflow-db-migration), 3.7.0 (mlflow)", &drifted);
    fine("images.drift", &drifted.replace("3.15.1", "3.7.0"));
    fine("images.migration", &drifted);
    expect(
        "images.migration",
        Verdict::Warning,
        "takes no lock",
        &drifted.replace("spec:\n  template", "spec:\n  replicas: 3\n  template"),
    );
}

#[test]
fn who_migrates_serves() {
    let job = |image: &str| {
        format!(
            "{}---\nkind: Job\nmetadata: {{name: migrate}}\nspec: {{template: {{spec: {{containers: [{{name: m, image: '{image}', \
             args: [db, upgrade]}}]}}}}}}\n",
            deployment("ferroflow:0.1.0", "args: [server]", "")
        )
    };
    expect("images.migration", Verdict::Failure, "migrated by ferroflow:0.2.0", &job("ferroflow:0.2.0"));
    fine("images.migration", &job("ferroflow:0.1.0"));
}

#[test]
fn an_image_has_a_version() {
    expect(
        "images.latest",
        Verdict::Warning,
        "is another program tomorrow",
        &deployment("registry:5000/mlflow", "", ""),
    );
    expect("images.latest", Verdict::Warning, "mlflow:latest", &deployment("mlflow:latest", "", ""));
    fine("images.latest", &deployment("mlflow@sha256:0123", "", ""));
}

#[test]
fn passwords_are_found_and_not_repeated() {
    let literal = deployment("mlflow:3.7.0", "env: [{name: PGPASSWORD, value: geheim}]", "");
    expect("secrets.plain", Verdict::Warning, "PGPASSWORD", &literal);
    let address =
        deployment("mlflow:3.7.0", "args: [server, '--backend-store-uri=postgresql://u:geheim@h/d']", "");
    expect("secrets.plain", Verdict::Warning, "an address among its arguments", &address);
    let map = "---\nkind: ConfigMap\nmetadata: {name: m}\ndata: {AZURE_STORAGE_ACCESS_KEY: geheim}\n";
    expect("secrets.plain", Verdict::Warning, "AZURE_STORAGE_ACCESS_KEY", map);
    let values = "---\nkind: Secret\nmetadata: {name: s}\nstringData: {PGUSER: u, PGPASSWORD: geheim}\n";
    expect("secrets.plain", Verdict::Notice, "values file", values);
    fine(
        "secrets.plain",
        &deployment(
            "mlflow:3.7.0",
            "env: [{name: PGPASSWORD, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
            "",
        ),
    );
    for text in [literal, address, map.to_owned(), values.to_owned()] {
        assert!(!format!("{:?}", findings(&text)).contains("geheim"));
    }
}

#[test]
fn secrets_that_are_named_are_there() {
    let needs = deployment(
        "mlflow:3.7.0",
        "env: [{name: PGPASSWORD, valueFrom: {secretKeyRef: {name: s, key: k}}}]",
        "",
    );
    expect("secrets.missing", Verdict::Notice, "the Secret s is not among the manifests", &needs);
    let secret =
        |key: &str| format!("{needs}---\nkind: Secret\nmetadata: {{name: s}}\ndata: {{{key}: eA==}}\n");
    expect("secrets.missing", Verdict::Failure, "has no k", &secret("other"));
    fine("secrets.missing", &secret("k"));
    fine(
        "secrets.missing",
        &format!("{needs}---\nkind: ExternalSecret\nmetadata: {{name: e}}\nspec: {{target: {{name: s}}}}\n"),
    );
    let from = deployment(
        "mlflow:3.7.0",
        "envFrom: [{secretRef: {name: azure}}, {secretRef: {name: o, optional: true}}]",
        "",
    );
    expect("secrets.missing", Verdict::Notice, "the Secret azure", &from);
}

#[test]
fn a_service_is_open_without_a_policy() {
    let open = format!("{}{SERVICE}", deployment("mlflow:3.7.0", "args: [server]", ""));
    expect("network.policy", Verdict::Notice, "every pod of the cluster reaches Service ml/tracker", &open);
    expect("network.policy", Verdict::Warning, "not asked for there", &format!("{open}{}", ingress(&BASIC)));
    let policy = |label: &str| {
        format!(
            "{open}---\nkind: NetworkPolicy\nmetadata: {{name: n}}\nspec: {{podSelector: {{matchLabels: {{app: {label}}}}}}}\n"
        )
    };
    fine("network.policy", &policy("mlflow"));
    expect("network.policy", Verdict::Notice, "every pod", &policy("other"));
}

#[test]
fn a_service_for_the_outside_is_told() {
    let of = |kind: &str| {
        let service = SERVICE.replace("spec: {", &format!("spec: {{type: {kind}, "));
        format!("{}{service}", deployment("mlflow:3.7.0", "args: [server]", ""))
    };
    expect("network.outside", Verdict::Warning, "plain HTTP", &of("NodePort"));
    fine("network.outside", &of("ClusterIP"));
}

#[test]
fn the_server_answers_to_the_names_that_lead_to_it() {
    let told = |hosts: &str| {
        let server = deployment("ferroflow:0.1.0", &format!("args: [server{hosts}]"), "");
        format!("{server}{}{}", SERVICE.replace("tracker", "mlflow"), ingress(&[]))
    };
    let failures = |text: &str| {
        let found = findings(text).into_iter().filter(|finding| finding.check == "network.names");
        found.map(|finding| (finding.verdict, finding.detail)).collect::<Vec<_>>()
    };
    let untold = failures(&told(""));
    assert_eq!(untold.len(), 2, "{untold:?}");
    assert!(untold[0].0 == Verdict::Failure && untold[0].1.contains("mlflow.example.com"), "{untold:?}");
    assert!(untold[1].0 == Verdict::Notice && untold[1].1.contains("mlflow.ml.svc"), "{untold:?}");
    fine("network.names", &told(", '--allowed-hosts=mlflow.example.com,mlflow.ml.svc'"));
    // Another image's defaults are not known.
    fine("network.names", &told("").replace("ferroflow", "mlflow"));
}

#[test]
fn what_kubernetes_adds_to_a_pod_is_told() {
    let linked = format!(
        "{}{}",
        deployment("ferroflow:0.1.0", "args: [server]", ""),
        SERVICE.replace("tracker", "mlflow")
    );
    expect("pods", Verdict::Failure, "MLFLOW_PORT", &linked);
    fine("pods", &linked.replace("args: [server]", "args: [server, --port=5000]"));
    fine("pods", &linked.replace("    spec:\n", "    spec:\n      enableServiceLinks: false\n"));
    fine("pods", &linked.replace("name: mlflow}\nspec: {sel", "name: other}\nspec: {sel"));
}

#[test]
fn replicas_and_probes_go_together() {
    let sqlite = deployment("ferroflow:0.1.0", "args: [server, '--backend-store-uri=sqlite:///x.db']", "");
    fine("pods", &sqlite);
    expect(
        "pods",
        Verdict::Failure,
        "SQLite",
        &sqlite.replace("spec:\n  template", "spec:\n  replicas: 2\n  template"),
    );
    let probes =
        "livenessProbe: {httpGet: {path: /health}}\n        readinessProbe: {httpGet: {path: /health}}";
    expect("pods", Verdict::Notice, "/health both", &deployment("ferroflow:0.1.0", probes, ""));
}

#[test]
fn text_that_is_no_yaml_is_not_repeated() {
    let place = Manifests::default().add("kind: Secret\ndata: {password: geheim\n---\n", "").unwrap_err();
    assert!(place.contains("line") && !place.contains("geheim"), "{place}");
    let mut manifests = Manifests::default();
    manifests.add("# nothing\n---\n---\nNOTES: text\n", "").unwrap();
    assert!(manifests.is_empty());
    manifests.add("kind: List\nitems: [{kind: Service}, {kind: Pod}]\n", "").unwrap();
    assert_eq!(manifests.count(), 2);
}
