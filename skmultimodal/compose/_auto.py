def choose_encoders(X, modalities):
    raise NotImplementedError
