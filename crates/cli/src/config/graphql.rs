//! How much one GraphQL query may ask for.

use clap::Args;
use server::QueryLimits;

#[derive(Args)]
#[command(next_help_heading = "GraphQL")]
pub struct GraphqlOptions {
    /// The most fields at the top of one GraphQL query.
    #[arg(long, env = "MLFLOW_SERVER_GRAPHQL_MAX_ROOT_FIELDS", value_name = "N", default_value_t = 10)]
    graphql_max_root_fields: usize,

    /// The most aliases at one level of a GraphQL query.
    #[arg(long, env = "MLFLOW_SERVER_GRAPHQL_MAX_ALIASES", value_name = "N", default_value_t = 10)]
    graphql_max_aliases: usize,
}

impl GraphqlOptions {
    /// The limits.
    pub fn limits(&self) -> QueryLimits {
        QueryLimits { root_fields: self.graphql_max_root_fields, aliases: self.graphql_max_aliases }
    }
}
