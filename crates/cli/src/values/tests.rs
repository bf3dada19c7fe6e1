//! Whole files: the deployment that Ferroflow was made for, one of each chart, and files that are made up.

use super::chart::{self, Chart};
use super::node::Node;
use super::path::{self, Leaf, Path, Step};
use super::report;
use super::rules::{self, Action, Conversion, Fate};
use proptest::prelude::*;

const SEED: &str = include_str!("samples/seed.yaml");
/// The keys that ours has; `any` stands for whatever is below.
const KEYS: &str = include_str!("../../../../charts/ferroflow/files/known-keys.yaml");
const CHARTS: [Chart; 3] = [Chart::Community, Chart::Official, Chart::Bitnami];

fn convert(chart: Chart, file: &Node) -> Conversion {
    rules::convert(file, chart.tables(), chart.added(file))
}

/// What a file becomes, and what is told of it.
fn converted(text: &str) -> (String, String) {
    let file = Node::read(text).unwrap();
    let chart = chart::recognise(&file).unwrap();
    let (conversion, advice) = (convert(chart, &file), chart.advice(&file));
    check(&file, chart, &conversion, &advice).unwrap();
    (report::file(chart, &conversion, &advice), report::summary(chart, &conversion, &advice))
}

/// That every value of a file is accounted for, and that what is printed is what was said.
fn check(file: &Node, chart: Chart, conversion: &Conversion, advice: &[String]) -> Result<(), TestCaseError> {
    let leaves = path::leaves(file);
    let told: Vec<_> = conversion.fates.iter().map(|(leaf, _)| leaf.clone()).collect();
    prop_assert_eq!(&told, &leaves);
    let text = report::file(chart, conversion, advice);
    let words = text.split_whitespace().filter(|word| *word != "#").collect::<Vec<_>>().join(" ");
    let summary = report::summary(chart, conversion, advice);
    let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
    let printed = Node::read(&text).map_err(TestCaseError::fail)?;
    let keys = Node::read(KEYS).map_err(TestCaseError::fail)?;
    for Leaf { path, .. } in path::leaves(&conversion.values) {
        prop_assert!(is_known(&keys, &path.0), "{} is no key of the chart", path);
    }
    for (Leaf { path, .. }, fate) in &conversion.fates {
        match fate {
            Fate::Carried { to, value: Some(new) } => {
                prop_assert_eq!(path::get(&printed, to), Some(new), "{} {}", path, text);
            }
            Fate::Carried { to, value: None } => {
                prop_assert!(path::get(&printed, to).is_some(), "{} {}", path, text)
            }
            Fate::Left(why) => {
                let why = why.split_whitespace().collect::<Vec<_>>().join(" ");
                let name = path.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
                for said in [&words, &summary] {
                    prop_assert!(said.contains(&name) && said.contains(&why), "{}: {}", name, said);
                }
            }
            Fate::Replaced(_) | Fate::Default | Fate::Off => {}
        }
    }
    Ok(())
}

fn is_known(keys: &Node, path: &[Step]) -> bool {
    match (keys, path.split_first()) {
        (Node::Text(any), _) => any == "any",
        (Node::Map(_), Some((Step::Key(key), rest))) => {
            keys.get(key).is_some_and(|keys| is_known(keys, rest))
        }
        (Node::List(items), Some((Step::Index(_), rest))) => {
            items.first().is_some_and(|keys| is_known(keys, rest))
        }
        // A map or a list that is empty, or something else, which the chart's schema says.
        (_, None) => true,
        _ => false,
    }
}

#[test]
fn the_seeds_values_become_themselves() {
    let (text, summary) = converted(SEED);
    let mut expected = Node::read(SEED).unwrap();
    let drop = |node: &mut Node, keys: &[&str]| {
        let mut at = node;
        for key in &keys[..keys.len() - 1] {
            let Node::Map(map) = at else { panic!("{key}") };
            at = &mut map.iter_mut().find(|(name, _)| name == key).unwrap().1;
        }
        let Node::Map(map) = at else { panic!("{keys:?}") };
        map.retain(|(name, _)| *name != keys[keys.len() - 1]);
    };
    for keys in [&["image"] as &[&str], &["postgresql"], &["backendStore", "postgres", "port"]] {
        drop(&mut expected, keys);
    }
    assert_eq!(Node::read(&text).unwrap(), expected, "{text}");
    assert!(summary.contains("0 left") && !summary.contains("left: "), "{summary}");
    for told in ["image.repository", "backendStore.postgres.password is a secret", "ingress.certManagerShim"]
    {
        assert!(text.contains(told), "{told} in {text}");
    }
    // What is ours already is not changed any more.
    assert_eq!(Node::read(&converted(&text).0).unwrap(), expected);
}

#[test]
fn each_charts_sample_becomes_what_is_beside_it() {
    insta::with_settings!({ snapshot_path => "samples", prepend_module_to_snapshot => false, omit_expression => true }, {
        for (name, text) in [
            ("seed", SEED),
            ("community", include_str!("samples/community.yaml")),
            ("official", include_str!("samples/official.yaml")),
            ("bitnami", include_str!("samples/bitnami.yaml")),
        ] {
            let (file, summary) = converted(text);
            insta::assert_snapshot!(name, format!("{file}\n--- on standard error\n{summary}"));
        }
    });
}

#[test]
fn passwords_are_not_told() {
    for text in [
        "backendStore: {postgres: {enabled: true, password: geheim}, mysql: {enabled: true, password: geheim}}",
        "auth: {enabled: true, adminPassword: geheim}\nbackendStore: {}",
        "backendStoreUri: mysql://u:geheim@h/d",
        "backendStoreUri: postgresql://u:geheim@h/d?x=y",
        "backendStore: {}\nextraFlags: ['noSuch=geheim', \"a\\ngeheim: x\"]\nextraArgs: {backendStoreUri: geheim}",
        "tracking: {auth: {password: geheim}, extraArgs: ['--no-such=geheim', geheim]}\nexternalDatabase: {password: geheim}",
    ] {
        let (file, summary) = converted(text);
        assert!(!summary.contains("geheim"), "{summary}");
        let comments: Vec<_> = file.lines().filter(|line| line.starts_with('#')).collect();
        assert!(!comments.join("\n").contains("geheim"), "{file}");
    }
}

#[test]
fn what_is_refused_says_what_to_do() {
    for (text, keys, word) in [
        ("backendStore: {mysql: {enabled: true, host: db}}", "backendStore.mysql.host", "PostgreSQL"),
        ("backendStore: {}\npostgresql: {enabled: true}", "postgresql.enabled", "pg_dump"),
        ("backendStore: {}\nminio: {enabled: true}", "minio.enabled", "artifactRoot.s3"),
        ("backendStore: {}\nauth: {enabled: true, adminUsername: x}", "auth.adminUsername", "basicAuth"),
        ("backendStore: {}\noauth2Proxy: {enabled: true}", "oauth2Proxy.enabled", "proxy"),
        ("backendStore: {}\nserviceMonitor: {enabled: true}", "serviceMonitor.enabled", "/metrics"),
        ("backendStore: {}\nimage: {repository: me/tracker, tag: x}", "image.repository, image.tag", "image"),
        ("backendStore: {}\nimage: {repository: burakince/mlflow, tag: 3.15.1}", "image.tag", "db check"),
        ("backendStore: {}\nextraArgs: {noSuchThing: 1}", "extraArgs.noSuchThing", "no such option"),
        ("backendStore: {}\ningres: {enabled: true}", "ingres.enabled", "is ingress.enabled meant?"),
        (
            "backendStoreUriFrom: {secretKeyRef: {name: a, key: b}}",
            "backendStoreUriFrom.secretKeyRef.name",
            "existingDatabaseSecret",
        ),
        ("tracking: {tls: {enabled: true}}", "tracking.tls.enabled", "ingress"),
        ("run: {replicaCount: 2}", "run.replicaCount", "extraDeploy"),
    ] {
        let (_, summary) = converted(text);
        let summary = summary.split_whitespace().collect::<Vec<_>>().join(" ");
        let left = summary.split("left: ").find(|left| {
            left.starts_with(keys) || left.contains(&format!("{keys}:")) || left.contains(&format!("{keys},"))
        });
        assert!(left.is_some_and(|left| left.contains(word)), "{keys}: {summary}");
    }
}

#[test]
fn flags_that_are_left_leave_no_gap() {
    let (file, _) = converted(
        "backendStore: {}\nextraFlags: [noSuchFlag, artifactsOnly, workers, dev]\nextraArgs: {staticPrefix: /ml}",
    );
    let file = Node::read(&file).unwrap();
    assert_eq!(
        file,
        Node::read("{extraFlags: [artifactsOnly, dev], extraArgs: {staticPrefix: /ml}}").unwrap()
    );
}

#[test]
fn two_lists_do_not_become_one() {
    for (text, keys, left) in [
        (
            "backendStoreUri: ''\nvolumes: [{name: a, emptyDir: {}}]\nextraVolumes: [{name: b, secret: {secretName: c}}, {name: d}]\n",
            "extraVolumes",
            "extraVolumes[0].name, extraVolumes[0].secret.secretName, extraVolumes[1].name:",
        ),
        (
            "backendStoreUri: ''\nenv: [{name: A, value: b}]\nextraEnv: [{name: A, valueFrom: {secretKeyRef: {name: x, key: y}}}]\n",
            "extraEnvVars",
            "extraEnv[0].name,",
        ),
    ] {
        let (file, summary) = converted(text);
        let file = Node::read(&file).unwrap();
        let expected = Node::read("{extraVolumes: [{name: a, emptyDir: {}}], extraEnvVars: {A: b}}").unwrap();
        assert_eq!(file.at(keys), expected.at(keys));
        assert!(summary.contains(&format!("left: {left}")), "{summary}");
    }
}

#[test]
fn hosts_come_in_any_order() {
    let (file, summary) = converted(
        "tracking:\n  ingress:\n    enabled: true\n    extraHosts: [{name: b.example, path: /b}]\n    path: /a\n    hostname: a.example\n    tls: true\n",
    );
    let file = Node::read(&file).unwrap();
    let hosts: Vec<_> =
        [0, 1].map(|n| path::get(&file, &Path::of("ingress.hosts").index(n).key("host")).cloned()).into();
    assert_eq!(
        hosts,
        [Some(Node::Text("a.example".into())), Some(Node::Text("b.example".into()))],
        "{summary}"
    );
    assert!(summary.contains(" 0 left"), "{summary}");
}

#[test]
fn the_tables_are_sound() {
    for chart in CHARTS {
        let mut seen = Vec::new();
        for (keys, default, action) in chart.tables().iter().copied().flatten().map(|rule| rule.parts()) {
            assert!(!seen.contains(&keys), "{keys} twice");
            seen.push(keys);
            assert!(default.is_empty() || Node::read(default).is_ok(), "{keys}: {default}");
            if let Action::Refused { on, why } = action {
                assert!(on.ends_with(".enabled") && !why.ends_with('.'), "{keys}");
            }
        }
    }
}

#[test]
fn a_charts_own_values_become_nothing() {
    for chart in CHARTS {
        let mut file = Node::Null;
        for (keys, default, _) in chart.tables().iter().copied().flatten().map(|rule| rule.parts()) {
            let (keys, default) = (Path::of(keys.trim_end_matches(".**")), Node::read(default).unwrap());
            if default != Node::Null {
                assert!(path::put(&mut file, &keys, default), "{keys}");
            }
        }
        let conversion = rules::convert(&file, chart.tables(), Vec::new());
        assert_eq!(conversion.values, Node::Map(Vec::new()));
        for (leaf, fate) in &conversion.fates {
            assert_eq!(*fate, Fate::Default, "{}", leaf.path);
        }
    }
}

/// Files of keys that the charts have, keys that nobody has, and values of every kind.
fn any_file(chart: Chart) -> impl Strategy<Value = Node> {
    let known: Vec<&str> = chart.tables().iter().copied().flatten().map(|rule| rule.parts().0).collect();
    let value = prop_oneof![
        Just(Node::Null),
        any::<bool>().prop_map(Node::Bool),
        any::<bool>().prop_map(Node::Bool),
        (0i64..9000).prop_map(|n| Node::Int(n.into())),
        (0i64..100).prop_map(|n| Node::Float(n as f64 / 8.0)),
        "[a-z:/.@ \n'-]{0,12}".prop_map(Node::Text),
        Just(Node::List(Vec::new())),
        Just(Node::Map(Vec::new())),
    ];
    let value = value.prop_recursive(2, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(Node::List),
            prop::collection::btree_map("name|value|valueFrom|path|enabled|[a-z./]{1,8}", inner, 1..4)
                .prop_map(|map| Node::Map(map.into_iter().collect())),
        ]
    });
    let key = prop_oneof![
        5 => prop::sample::select(known).prop_map(|keys| keys.trim_end_matches(".**").to_owned()),
        1 => "[a-zA-Z]{1,8}([.][a-zA-Z]{1,8}){0,2}",
    ];
    prop::collection::vec((key, value), 1..30).prop_map(|entries| {
        let mut file = Node::Null;
        for (n, (keys, value)) in entries.into_iter().enumerate() {
            // A second one may have no place.
            assert!(path::put(&mut file, &Path::of(&keys), value) || n > 0);
        }
        file
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_value_disappears(file in prop::sample::select(CHARTS.to_vec()).prop_flat_map(|chart| (Just(chart), any_file(chart)))) {
        let (chart, file) = file;
        let conversion = convert(chart, &file);
        check(&file, chart, &conversion, &chart.advice(&file))?;
    }
}
