"""The processes of stages that run models: generate, score, evaluate. Started as
``python -m recipe_engine.runtime stage FOLDER``."""
