//! Runs a test on both engines: a fresh SQLite file, and a fresh database of the PostgreSQL server that
//! `FERROFLOW_TEST_POSTGRES` names (`make test` starts one). A missing server fails the test.

use std::str::FromStr;
use store::db::Db;
use store::schema;
use store::uri::DatabaseUri;

/// Runs `test` on a fresh database of each engine.
pub async fn for_each_engine(test: impl AsyncFn(Db)) {
    let folder = tempfile::tempdir().expect("a folder for the SQLite file");
    let uri = format!("sqlite:///{}", folder.path().join("test.db").display());
    test(open(&uri).await).await;

    let server = std::env::var("FERROFLOW_TEST_POSTGRES")
        .expect("FERROFLOW_TEST_POSTGRES names the PostgreSQL server to test on; `make test` starts one");
    let admin = connect(&server).await;
    let name = format!("ferroflow_{}", store::names::new_id());
    admin.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a fresh PostgreSQL database");
    let (base, _) = server.rsplit_once('/').expect("the address ends in a database");
    let db = open(&format!("{base}/{name}")).await;
    test(db).await;
    admin.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.expect("dropped");
}

async fn open(uri: &str) -> Db {
    let uri = DatabaseUri::parse(uri).expect("an address");
    let db = Db::open(&uri).await.expect("a database");
    schema::prepare(&db, "mlflow-artifacts:/".into(), 1).await.expect("a schema");
    db
}

async fn connect(uri: &str) -> tokio_postgres::Client {
    let config = tokio_postgres::Config::from_str(uri).expect("an address");
    let (client, connection) =
        config.connect(tokio_postgres::NoTls).await.expect("the PostgreSQL server to test on");
    tokio::spawn(connection);
    client
}
