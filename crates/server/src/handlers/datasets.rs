//! `experiments/search-datasets`

use crate::app::App;
use crate::extract::Proto;
use crate::respond::{Json, Reply};
use api::{SearchDatasets, SearchDatasetsResponse};
use axum::extract::State;
use store::datasets;
use store::experiments::ExperimentId;

/// `POST experiments/search-datasets`
pub async fn search(
    State(app): State<App>,
    Proto(request): Proto<SearchDatasets>,
) -> Reply<SearchDatasetsResponse> {
    let ids = request.experiment_ids()?;
    let ids = ids.iter().map(|id| ExperimentId::parse(id)).collect::<Result<Vec<_>, _>>()?;
    let dataset_summaries =
        app.db().read(move |tx| Box::pin(async move { datasets::search(tx, &ids).await })).await?;
    Ok(Json(SearchDatasetsResponse { dataset_summaries }))
}
