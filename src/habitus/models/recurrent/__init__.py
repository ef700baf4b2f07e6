"""Models of series that keep a state: LSTM, GRU, DLGM, tDLGM, VRNN and TimeGAN."""
