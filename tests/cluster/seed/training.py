import mlflow
mlflow.set_tracking_uri("https://mlflow.frakma.io")
with mlflow.start_run():
    mlflow.log_param("test", "value")
    mlflow.log_artifact("model.pkl")   # → warbleosstate/mlflow-artifacts/
