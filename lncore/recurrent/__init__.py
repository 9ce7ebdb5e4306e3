"""Recurrent layers with normalized gates and cells: LSTM and GRU with torch.nn's calling convention."""

from lncore.recurrent.gru import GRU
from lncore.recurrent.lstm import LSTM

__all__ = ["GRU", "LSTM"]
